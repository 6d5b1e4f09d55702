"""Reference libraries as Zotero exports them to CSV."""

import csv
import datetime as dt
import io
from collections.abc import Iterator

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry, display_name
from service.ingest.papers import snippet
from service.ingest.source import MAX_LINE_BYTES
from service.ingest.times import parse_time

COLUMNS = ("Key", "Item Type", "Title")
_NO_PAPERS = {"note", "attachment", "annotation"}


def is_zotero_header(line: str) -> bool:
    """Whether a file's first line is that of a Zotero export."""
    try:
        return set(COLUMNS) <= set(next(csv.reader([line]), []))
    except csv.Error:
        return False


def parse_zotero_csv(text: str, source: str) -> Iterator[RawEntry]:
    """The items in the file's order; notes and attachments that stand alone are left out.

    Raises:
        InvalidFile: While iterating: not CSV, a column missing, or "Date Added" is no date.
    """
    header: list[str] | None = None
    for line, row in _rows(text, source):
        if header is None:
            header = row
            if missing := [column for column in COLUMNS if column not in header]:
                raise InvalidFile(source, f"the header lacks {', '.join(missing)}", line=line)
        elif len(row) != len(header):
            raise InvalidFile(source, f"has {len(row)} fields, but the header has {len(header)}", line=line)
        else:
            values = dict(zip(header, row, strict=True))
            if values["Item Type"].lower() not in _NO_PAPERS:
                yield _entry(values, source, line)


def _rows(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    # The module's limit of 128 kB is for the whole process; the "Notes" of one item can be longer.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidFile(source, f"is not CSV: {error}", line=line) from error
        if any(value.strip() for value in row):
            yield line, [value.strip() for value in row]


def _entry(values: dict[str, str], source: str, line: int) -> RawEntry:
    return RawEntry(
        place=f"item {values['Key'][:100]}",
        line=line,
        title=values["Title"],
        abstract=values.get("Abstract Note", ""),
        authors=tuple(display_name(name) for name in values.get("Author", "").split(";") if name.strip()),
        url=values.get("Url", ""),
        doi=values.get("DOI", ""),
        eprint=values.get("Archive ID", ""),
        notes=(values.get("Extra", ""), values.get("Publication Title", "")),
        published=values.get("Date", ""),
        added_at=_added_at(values.get("Date Added", ""), source, line),
    )


def _added_at(text: str, source: str, line: int) -> dt.datetime | None:
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        # Not taken for unknown: a spreadsheet rewrites the whole column, and all dates would be lost in silence.
        raise InvalidFile(source, f"Date Added: {snippet(text)} {error}", line=line) from error
