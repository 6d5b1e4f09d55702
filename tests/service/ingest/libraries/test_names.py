import pytest

from service.ingest.libraries.names import bibtex_names, display_name, listed_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Byron, Ada", "Ada Byron"),
        ("von Neumann, Jr, John", "John von Neumann Jr"),
        ("Byron, Ada, Jr.", "Ada Byron Jr."),
        ("Byron, Ada,", "Ada Byron"),
        ("Ada Byron", "Ada Byron"),
        ("a, b, c, d", "a, b, c, d"),
    ],
)
def test_names_are_put_in_spoken_order(name: str, expected: str) -> None:
    """Names of all formats get the same form, so that followed authors match."""
    assert display_name(name) == expected


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (r"Noll, I. and {Garc{\'\i}a}, Jos{\'e} and {Lara}, {L.-M.}", ("I. Noll", "José García", "L.-M. Lara")),
        ("NOLL, IDA AND ORR, BEN", ("IDA NOLL", "BEN ORR")),
        ("Noll, I.; Orr, B.; Poe, C.", ("I. Noll", "B. Orr", "C. Poe")),
        ("Noll, I.\n\tand\n Orr, B. and others", ("I. Noll", "B. Orr")),
        ("{Barnes, Noble and Sons} and Ida Noll", ("Barnes, Noble and Sons", "Ida Noll")),
        ("{Moss, Inc.} and {{Wall and Moss}}", ("Moss, Inc.", "Wall and Moss")),
        ("{Noll, Ida} and {Orr, Ben}", ("Ida Noll", "Ben Orr")),
        ("{Noll, Ida and Orr, Ben}", ("Ida Noll", "Ben Orr")),
        (r"D{\'i}az, Mar\'\ia and Roi, Beno\^\it", ("María Díaz", "Benoît Roi")),
        (r"{\O}rsted, H.~C.", ("H.\xa0C. Ørsted",)),
        ("M&uuml;ller, J. and {Smith \\& Sons}", ("J. Müller", "Smith & Sons")),
        ("Ida Noll, Ben de Orr, Cy Poe", ("Ida Noll", "Ben de Orr", "Cy Poe")),
        ("Noll, I., Orr, B.-A., et al.", ("I. Noll", "B.-A. Orr")),
        ("K. A. Olive et al. and M. Ek", ("K. A. Olive", "M. Ek")),
        ("{{ET Enterprises, Ltd.}}", ("ET Enterprises, Ltd.",)),
        ("Noll, Ida, Orr, Ben", ("Noll, Ida, Orr, Ben",)),
        ("Brandon and Sandra Anderson", ("Brandon", "Sandra Anderson")),
        ("Alessandro and", ("Alessandro and",)),
        ("", ()),
    ],
)  # fmt: skip
def test_bibtex_names(field: str, names: tuple[str, ...]) -> None:
    """Names of BibTeX are split and read in all the ways that libraries write them."""
    assert bibtex_names(field) == names


def test_listed_names() -> None:
    """Names between semicolons are split, entities are not."""
    assert listed_names("Noll, Ida; M&uuml;ller, J.;") == ("Ida Noll", "J. Müller")
