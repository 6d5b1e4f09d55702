import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.zotero_csv import is_zotero_header, parse_zotero_csv
from tests.service.ingest.samples import ZOTERO

TEXT = ZOTERO.decode()


def test_items_are_read() -> None:
    """Texts over several lines, names and times are read; notes are ignored."""
    first, second = parse_zotero_csv(TEXT, "f")

    assert (first.line, first.title, first.doi) == (2, "Learning to Rank", "10.1000/xyz")
    assert (first.authors, first.abstract) == (("Ada Byron", "Emile Zola"), "We rank\nand rank.")
    assert first.added_at == dt.datetime(2019, 3, 2, 11, 24, 44, tzinfo=dt.UTC)
    assert (second.line, second.notes[0]) == (4, "arXiv:1706.03762 [cs]")


def test_header_is_told_from_other_csv() -> None:
    """A file counts as a Zotero export if it has Zotero's columns."""
    assert is_zotero_header(TEXT.split("\n")[0])
    assert not is_zotero_header("user_id,paper_id")


def test_long_notes_are_read() -> None:
    """A field may be longer than the csv module allows by default."""
    assert [len(entry.abstract) for entry in parse_zotero_csv(TEXT.replace("We rank", "x" * 200_000), "f")] == [
        200_010,
        0,
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ('"Title"', '"Name"', 1, "the header lacks Title"),
        ('"2017-05-03",', "", 2, "has 11 fields, but the header has 12"),
        ("2019-03-02 11:24:44", "3/2/2019", 2, "Date Added: '3/2/2019' is not an ISO 8601"),
        ('"preprint"', '"pre"print"', 4, "is not CSV"),
    ],
)
def test_faults_name_the_line(old: str, new: str, line: int, problem: str) -> None:
    """The error names the first line of the item."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        list(parse_zotero_csv(TEXT.replace(old, new), "f"))
    assert caught.value.line == line
