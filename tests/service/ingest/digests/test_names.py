import pytest

from service.ingest.digests.names import are_names, author_names


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["Ida Noll", "Ben Orr"], ["Ida Noll", "Ben Orr"]),
        (["Di Lim, Cy Poe"], ["Di Lim", "Cy Poe"]),
        ([" Ek, M., Roi, B. C., van Ooi, T. "], ["M. Ek", "B. C. Roi", "T. van Ooi"]),
        (["Ek, M.-J., Roi, BC"], ["M.-J. Ek", "BC Roi"]),
        (["Byron, A."], ["A. Byron"]),
        (["Noll, Ida"], ["Ida Noll"]),
        (["van Ooi, Tim"], ["Tim van Ooi"]),
        (["Noll, Ida Maria; García Márquez, Gabriel"], ["Ida Maria Noll", "Gabriel García Márquez"]),
        (["García Márquez, Gabriel José", "Noll, Ida"], ["Gabriel José García Márquez", "Ida Noll"]),
        (["Noll, Ida, Orr, Ben"], ["Ida Noll", "Ben Orr"]),
        (["Ida Noll, Ben Orr, and Cy Poe"], ["Ida Noll", "Ben Orr", "Cy Poe"]),
        (["Ida Noll and Ben Orr"], ["Ida Noll", "Ben Orr"]),
        (["Department of Moss and Lichen"], ["Department of Moss and Lichen"]),
        (["Ida Noll, Jr., Ben Orr"], ["Ida Noll Jr.", "Ben Orr"]),
        (["by Ida Noll, Ben Orr, et al."], ["Ida Noll", "Ben Orr"]),
        (["Author(s): Ida Noll and Ben Orr"], ["Ida Noll", "Ben Orr"]),
        (["ida@example.org (Ida Noll)"], ["Ida Noll"]),
        (["noreply@example.org"], []),
        (["<a href='x'>Ida Noll</a>, <i>Ben Orr</i>"], ["Ida Noll", "Ben Orr"]),
        (["Ida Noll (Moss University, Wall), Ben Orr"], ["Ida Noll", "Ben Orr"]),
        ([r"Jos\'e Mu\~noz, Ren\'e Noll, L\"uder Orr"], ["José Muñoz", "René Noll", "Lüder Orr"]),
        ([r"Fran\c{c}ois {\L}uk, Ji\v{r}\'i Noll"], ["François Łuk", "Jiří Noll"]),
        (["M&uuml;ller, J&ouml;rg"], ["Jörg Müller"]),
        (["", " , "], []),
    ],
)
def test_names_are_told_apart(texts: list[str], names: list[str]) -> None:
    """One element may hold one name or several, in either order, with TeX, HTML, addresses and affiliations."""
    assert author_names(texts) == tuple(names)


def test_names_of_arxiv_are_never_turned_round() -> None:
    """The feeds of arXiv write first names first, so a comma always ends a name."""
    assert author_names(["Plato, Di Lim"], is_arxiv=True) == ("Plato", "Di Lim")


def test_a_huge_element_is_bounded() -> None:
    """Thousands of names are cut to as many as a paper may have; brackets take linear time."""
    assert len(author_names(["Ida Noll, " * 100_000])) == 1
    assert len(author_names([", ".join(f"I N{number}" for number in range(6_000))])) == 5_000
    assert author_names(["(" * 100_000]) == ("(" * 50_000,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ida Noll, Ben van Ooi", True), ("Ida Noll and Ben Orr", True), ("We rank", False), ("Moss", False), ("", False)],
)
def test_names_are_recognised(text: str, expected: bool) -> None:
    """Only capitalised words count as names."""
    assert are_names(text) == expected
