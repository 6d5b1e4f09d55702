"""Reference libraries in Zotero's CSV export."""

import csv
import datetime as dt
import io
from collections.abc import Iterator

from service.domain.errors import InvalidFile
from service.ingest.csv_records import csv_records
from service.ingest.libraries.entry import RawEntry, display_name
from service.ingest.papers import snippet
from service.ingest.source import MAX_LINE_BYTES
from service.ingest.times import parse_time

COLUMNS = ("Key", "Item Type", "Title")
_NOT_PAPERS = {"note", "attachment", "annotation"}


def is_zotero_header(line: str) -> bool:
    """Return whether a file's first line is the header of a Zotero export."""
    try:
        return set(COLUMNS) <= set(next(csv.reader([line]), []))
    except csv.Error:
        return False


def parse_zotero_csv(text: str, source: str) -> Iterator[RawEntry]:
    """Return the items in the file's order, without notes and attachments that belong to no item.

    Raises:
        InvalidFile: While iterating: not CSV, a missing column, or a "Date Added" that is not a date.
    """
    # The default limit of 128 kB, which holds for the whole process, is too small for the notes of some items.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    for line, values in csv_records(io.StringIO(text, newline=""), source, COLUMNS):
        if values["Item Type"].lower() not in _NOT_PAPERS:
            yield _entry(values, source, line)


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
        # An error, because a spreadsheet program that rewrites dates changes the whole column: all would be lost.
        raise InvalidFile(source, f"Date Added: {snippet(text)} {error}", line=line) from error
