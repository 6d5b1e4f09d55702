import pytest

from service.ingest.libraries.library import read_library

EPRINT = "archivePrefix = {arXiv}, arxivId = {1011.1669v3}, eprint = {arXiv:1011.1669v3}"


def test_wrong_eprint_in_many_entries() -> None:
    """Papers that share one eprint and nothing else are kept apart, none keeps the eprint, and each is named."""
    library = read_library(
        f"""
@article{{noll, title = {{Sand grains of the coast}}, author = {{Noll, Ida}}, {EPRINT}, doi = {{10.9999/sand.1}}}}
@article{{orr, title = {{Wind over the plain}}, author = {{Orr, Ben}}, {EPRINT}, doi = {{10.9999/wind.1}}}}
@article{{poe, title = {{Tides of a small lagoon}}, author = {{Poe, Cy}}, {EPRINT}}}
@article{{again, title = {{Tides of a small lagoon}}, author = {{Poe, C.}}}}
""".encode()
    )
    ids = [entry.paper.paper_id for entry in library.papers]
    assert ids[:2] == ["doi:10.9999/sand.1", "doi:10.9999/wind.1"]
    assert ids[2].startswith("title:")
    assert [problem.key for problem in library.repaired] == ["noll", "orr", "poe"]
    assert "other papers have its arXiv id 1011.1669 too" in library.repaired[0].reason


def test_one_doi_for_chapters() -> None:
    """Chapters of different authors that carry the DOI of their book are kept apart."""
    library = read_library(
        b"@inbook{a, title = {On moss}, author = {Noll, Ida}, doi = {10.9999/book}}\n"
        b"@inbook{b, title = {Of lichen}, author = {Orr, Ben}, doi = {10.9999/book}}\n"
    )
    assert [entry.paper.title for entry in library.papers] == ["On moss", "Of lichen"]
    assert len({entry.paper.paper_id for entry in library.papers}) == 2
    assert not any(entry.paper.url for entry in library.papers)


@pytest.mark.parametrize(
    "second",
    [
        "title = {Another title at the journal}, author = {I. Noll and B. Orr}, eprint = {1706.03762}",
        "title = {Moss Clocks of the Wall!}, author = {Orr, Ben}, eprint = {1706.03762}",
        "title = {Moss clocks}, author = {Orr, Ben}, eprint = {1706.03762}",
        "title = {Another title without authors}, eprint = {1706.03762}",
        "title = {Another title}, author = {Orr, Ben}, eprint = {1706.03762}, doi = {10.9999/a}",
    ],
)
def test_one_paper_described_twice(second: str) -> None:
    """Entries with one eprint are one paper if their titles, an author or another id agree."""
    first = "title = {Moss clocks of the wall}, author = {Noll, Ida}, eprint = {1706.03762v2}, doi = {10.9999/a}"
    library = read_library(f"@misc{{a, {first}}}\n@misc{{b, {second}}}\n".encode())
    assert [entry.paper.paper_id for entry in library.papers] == ["arxiv:1706.03762"]
    assert not library.repaired


def test_same_title_of_two_papers() -> None:
    """Papers of one title stay separate if their DOIs and all of their authors differ."""
    library = read_library(
        b"@misc{a, title = {Report of the editor}, author = {Noll, Ida}, doi = {10.9999/a}}\n"
        b"@misc{b, title = {Report of the editor}, author = {Orr, Ben}, doi = {10.9999/b}}\n"
    )
    assert [entry.paper.paper_id for entry in library.papers] == ["doi:10.9999/a", "doi:10.9999/b"]
