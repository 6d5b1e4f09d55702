import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.library import read_library
from service.ingest.source import Content
from tests.service.ingest.samples import BIBTEX, RIS, ZOTERO


@pytest.mark.parametrize(
    ("data", "first_id"), [(BIBTEX, "doi:10.1000/abc_def"), (RIS, "doi:10.1000/xyz"), (ZOTERO, "doi:10.1000/xyz")]
)
def test_format_is_told_by_the_content(data: bytes, first_id: str) -> None:
    """The three formats are detected by content."""
    entries = read_library(Content("library", data))
    assert [entry.paper.paper_id for entry in entries] == [first_id, "arxiv:1706.03762"]


def test_doubles_count_once() -> None:
    """Entries with the same title or id are one entry with the earliest time."""
    entries = read_library(
        b"@misc{a, title={One Paper of Ours}, timestamp={2020-01-02}}"
        b"@misc{b, title={One paper of ours}, doi={10.1000/x}, timestamp={2020-01-01}}"
        b"@misc{c, title={Renamed}, doi={10.1000/X}}"
    )
    assert len(entries) == 1
    assert entries[0].paper.title == "One Paper of Ours"
    assert entries[0].added_at == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"@comment{nothing}", "has no entry"),
        (ZOTERO.split(b"\n")[0], "has no entry"),
        (b"Dear library", "is neither BibTeX nor RIS"),
        (b"", "is empty"),
        (b"@misc{k, author={A}}", "line 1: entry k has no title"),
        (b"TY  - JOUR\nER  - \n", "line 1: record has no title"),
    ],
)
def test_libraries_without_papers_are_refused(data: bytes, problem: str) -> None:
    """A file without entries is an error that names the reason."""
    with pytest.raises(InvalidFile, match=problem):
        read_library(data)
