import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry, display_name, library_entry


@pytest.mark.parametrize(
    ("facts", "paper_id", "url"),
    [
        ({"eprint": "1706.03762v5"}, "arxiv:1706.03762", "https://arxiv.org/abs/1706.03762"),
        ({"doi": "10.48550/arXiv.1706.03762"}, "arxiv:1706.03762", "https://arxiv.org/abs/1706.03762"),
        ({"url": "https://arxiv.org/pdf/1706.03762v1.pdf"}, "arxiv:1706.03762", "https://arxiv.org/abs/1706.03762"),
        ({"notes": ("arXiv preprint arXiv:1706.03762",)}, "arxiv:1706.03762", "https://arxiv.org/abs/1706.03762"),
        (
            {"notes": ("arXiv: hep-th/9901001 [hep-th]",)},
            "arxiv:hep-th/9901001",
            "https://arxiv.org/abs/hep-th/9901001",
        ),
        ({"eprint": "1706.03762", "doi": "10.1000/X"}, "arxiv:1706.03762", "https://doi.org/10.1000/x"),
        ({"doi": "https://doi.org/10.1000/X"}, "doi:10.1000/x", "https://doi.org/10.1000/x"),
        ({"doi": "10.1000/X", "url": "https://a.example"}, "doi:10.1000/x", "https://a.example"),
        ({"url": "http://dx.doi.org/10.1000/x"}, "doi:10.1000/x", "http://dx.doi.org/10.1000/x"),
    ],
)
def test_names_of_a_paper_are_found(facts: dict[str, str], paper_id: str, url: str) -> None:
    """The id is the arXiv id, else the DOI, from any field; the address of a preprint names the journal paper."""
    paper = library_entry(RawEntry("entry k", 1, "A Title", **facts), "f").paper
    assert (paper.paper_id, paper.url) == (paper_id, url)


def test_paper_without_names_is_named_by_its_title() -> None:
    """Without arXiv id and DOI the id is made from the title; a script address is dropped."""
    paper = library_entry(RawEntry("entry k", 1, "A <i>Title</i> of Words", url="javascript:x"), "f").paper
    assert paper.paper_id.startswith("title:")
    assert (paper.title, paper.url) == ("A Title of Words", "")


def test_only_full_dates_count() -> None:
    """Only a full date is used."""
    raw = RawEntry("entry k", 1, "T", published="2017/05/03")
    assert library_entry(raw, "f").paper.published_at == dt.datetime(2017, 5, 3, tzinfo=dt.UTC)
    assert library_entry(RawEntry("entry k", 1, "T", published="2017"), "f").paper.published_at is None


def test_entry_without_title_is_named() -> None:
    """The error names key and line."""
    with pytest.raises(InvalidFile, match=r"^f, line 7: entry k has no title$"):
        library_entry(RawEntry("entry k", 7, " <b></b> "), "f")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Byron, Ada", "Ada Byron"),
        ("von Neumann, Jr, John", "John von Neumann Jr"),
        ("Ada Byron", "Ada Byron"),
        ("a, b, c, d", "a, b, c, d"),
    ],
)
def test_names_are_put_in_spoken_order(name: str, expected: str) -> None:
    """Names of all formats get the same form, so that followed authors match."""
    assert display_name(name) == expected
