import datetime as dt

import pytest

from service.domain.papers import Paper
from service.ingest.libraries.entry import LibraryEntry, RawEntry, library_entry
from service.ingest.problems import Problem


def _read(raw: RawEntry) -> LibraryEntry:
    entry = library_entry(raw, "f")
    assert isinstance(entry, LibraryEntry)
    return entry


def _paper(raw: RawEntry) -> Paper:
    return _read(raw).paper


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
    paper = _paper(RawEntry("k", 1, "A Title", **facts))
    assert (paper.paper_id, paper.url) == (paper_id, url)


def test_paper_without_names_is_named_by_its_title() -> None:
    """Without arXiv id and DOI the id is made from the title; a script address is dropped."""
    paper = _paper(RawEntry("k", 1, "A <i>Title</i> of Words", url="javascript:x"))
    assert paper.paper_id.startswith("title:")
    assert (paper.title, paper.url) == ("A Title of Words", "")


@pytest.mark.parametrize(
    "written", ["2017/05/03", "2017/05/03/", "2017/5/3/Spring", "2017-05-03", "2017-05-03/2017-05-09", " 2017-05-03 "]
)
def test_full_dates(written: str) -> None:
    """A full date is read in the forms of RIS and BibLaTeX, and the first full one of several is used."""
    raw = RawEntry("k", 1, "T", published=("2016", "2016///", written, "2018-01-01"))
    assert _paper(raw).published_at == dt.datetime(2017, 5, 3, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "written", ["2017", "2017-05", "2017/05//", "2017-02-30", "May 2017", "20170503", "2017/05/031"]
)
def test_other_dates_are_ignored(written: str) -> None:
    """Anything but a full date that exists is no date."""
    assert _paper(RawEntry("k", 1, "T", published=(written,))).published_at is None


def test_hidden_characters_in_ids() -> None:
    """Entities and characters that cannot be seen are no parts of ids."""
    assert _paper(RawEntry("k", 1, "T", doi="10.1000/\u200ba&lt;1&gt;")).paper_id == "doi:10.1000/a<1>"


@pytest.mark.parametrize("title", [" <b></b> ", "", "{}", "..."])
def test_entry_without_title_is_named(title: str) -> None:
    """An entry without a title is a problem with its line, key and what else was wrong."""
    problem = library_entry(RawEntry("k", 7, title, problems=("a comma is missing",)), "f")
    assert problem == Problem(7, "k", "has no title; a comma is missing")


def test_broken_rule_is_named() -> None:
    """An entry that breaks a rule of the domain is a problem that names the field."""
    problem = library_entry(RawEntry("k", 7, "T" * 2001), "f")
    assert problem == Problem(7, "k", "title: has 2001 characters; at most 2000 are allowed")


def test_long_abstract_is_cut() -> None:
    """A too long abstract is cut, and this is said."""
    entry = _read(RawEntry("k", 7, "T", abstract="a" * 50_001))
    assert len(entry.paper.abstract) == 40_000
    assert entry.problems == ("its abstract is cut to 40,000 characters",)
