import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry
from service.ingest.libraries.zotero_csv import is_zotero_csv, parse_zotero_csv
from service.ingest.problems import Problem
from tests.service.ingest.samples import ZOTERO

TEXT = ZOTERO.decode()


def _all(text: str) -> list[RawEntry]:
    return [entry for entry in parse_zotero_csv(text, "f") if isinstance(entry, RawEntry)]


def test_items_are_read() -> None:
    """Texts over several lines, names and times are read; notes are ignored."""
    first, second = _all(TEXT)

    assert (first.key, first.line, first.title, first.doi) == ("AAAA1111", 2, "Learning to Rank", "10.1000/xyz")
    assert (first.authors, first.abstract) == (("Ada Byron", "Emile Zola"), "We rank\nand rank.")
    assert first.added_at == dt.datetime(2019, 3, 2, 11, 24, 44, tzinfo=dt.UTC)
    assert (second.line, second.notes[0]) == (4, "arXiv:1706.03762 [cs]")


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("before", ["", "sep={}\n", "\n"])
def test_other_delimiters(delimiter: str, before: str) -> None:
    """A file that a spreadsheet program has saved is read, with its delimiter and without quotes."""
    rows = [("Key", "Item Type", "Title", "Author"), ("AAAA0001", "book", "Moss", '"Noll, Ida; Orr, Ben"')]
    rows.append(("BBBB0002", "book", "Lichen", ""))
    text = before.format(delimiter) + "".join(f"{delimiter.join(row)}\n" for row in rows)

    assert is_zotero_csv(text)
    first, second = _all(text)
    assert (first.title, first.authors, second.title) == ("Moss", ("Ida Noll", "Ben Orr"), "Lichen")
    assert second.line == text[: text.index("BBBB")].count("\n") + 1


def test_header_is_told_from_other_csv() -> None:
    """A file counts as a Zotero export if it has Zotero's columns."""
    assert is_zotero_csv(TEXT)
    assert not is_zotero_csv("user_id,paper_id\n")
    assert not is_zotero_csv("")


def test_long_notes_are_read() -> None:
    """A field may be longer than the csv module allows by default."""
    assert [len(entry.abstract) for entry in _all(TEXT.replace("We rank", "x" * 200_000))] == [200_010, 0]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"2017-05-03",', "", "line 2, AAAA1111: has 11 fields, but the header has 12"),
        ('"Learning to Rank"', '"Learning "to" Rank"', "line 2: is not CSV: its quotes are not paired"),
        ('"Learning to Rank"', '"Learning to Rank', "line 2: is not CSV: its quotes are not paired"),
    ],
)
def test_rows_that_cannot_be_read_are_named(old: str, new: str, problem: str) -> None:
    """A row with a fault is named with its line, and the rows after it are read."""
    entries = list(parse_zotero_csv(TEXT.replace(old, new), "f"))
    assert [str(entry) for entry in entries if isinstance(entry, Problem)] == [problem]
    assert [entry.title for entry in entries if isinstance(entry, RawEntry)] == ["Attention Is All You Need"]


def test_rewritten_dates() -> None:
    """An item whose time was rewritten by a spreadsheet program is read without it, and this is said."""
    first, _ = _all(TEXT.replace("2019-03-02 11:24:44", "3/2/2019"))
    assert first.added_at is None
    assert first.problems[0].startswith("Date Added: '3/2/2019' is not an ISO 8601")


def test_missing_column() -> None:
    """A file without a column that is needed is refused."""
    with pytest.raises(InvalidFile, match="line 1: the header lacks Title"):
        _all(TEXT.replace('"Title"', '"Name"'))


@pytest.mark.parametrize("cut", [-1, -3, -60])
def test_cut_off_file(cut: int) -> None:
    """A file that ends inside an item is an error with the item's line."""
    with pytest.raises(InvalidFile, match="the file ends inside the item") as caught:
        _all(TEXT.rstrip("\n")[:cut])
    assert caught.value.line == 5
