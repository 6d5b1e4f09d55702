"""Reference libraries in Zotero's CSV export, also as saved by a spreadsheet program."""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry
from service.ingest.libraries.names import listed_names
from service.ingest.papers import snippet
from service.ingest.problems import Problem
from service.ingest.source import MAX_LINE_BYTES
from service.ingest.times import parse_time

COLUMNS = ("Key", "Item Type", "Title")
_DELIMITERS = ",;\t"
_NOT_PAPERS = {"note", "attachment", "annotation"}
# A line that spreadsheet programs write before the header.
_SEPARATOR_LINE = re.compile(r"\s*sep=.\n", re.IGNORECASE)


def is_zotero_csv(text: str) -> bool:
    """Return whether a text begins with the header of a Zotero export, with commas, semicolons or tabs."""
    return _delimiter(_header_line(text)) is not None


def parse_zotero_csv(text: str, source: str) -> Iterator[RawEntry | Problem]:
    """Return the items in the file's order, without notes and attachments that belong to no item.

    Raises:
        InvalidFile: While iterating: a missing column, or the file ends inside an item.
    """
    # The default limit of 128 kB, which holds for the whole process, is too small for the notes of some items.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    rows = list(_rows(text))
    if not rows:
        return
    header_line, header = rows[0]
    if missing := [column for column in COLUMNS if column not in header]:
        problem = f"the header lacks {', '.join(missing)}; it reads {snippet(','.join(header))}"
        raise InvalidFile(source, problem, line=header_line)
    for index, (line, row) in enumerate(rows[1:], start=2):
        is_whole = len(row) >= len(header) and not any(row[len(header) :])
        if is_whole:
            values = dict(zip(header, row, strict=False))
            if values["Item Type"].lower() not in _NOT_PAPERS:
                yield _entry(values, line)
        # Without a line break behind it, the last row may be the beginning of a longer one.
        elif index == len(rows) and len(row) < len(header) and not text.endswith("\n" if row else '"\n'):
            raise InvalidFile(source, "the file ends inside the item that begins here; is it cut off?", line=line)
        elif not row:
            yield Problem(line, "", "is not CSV: its quotes are not paired")
        else:
            yield Problem(line, row[0][:100], f"has {len(row)} fields, but the header has {len(header)}")


def _header_start(text: str) -> int:
    separator = _SEPARATOR_LINE.match(text)
    return separator.end() if separator else len(text) - len(text.lstrip())


def _header_line(text: str) -> str:
    start = _header_start(text)
    end = text.find("\n", start)
    return text[start : end if end >= 0 else None]


def _delimiter(line: str) -> str | None:
    """Return the delimiter of a Zotero export's header; None if the line is not one."""
    for delimiter in _DELIMITERS:
        try:
            if set(COLUMNS) <= set(next(csv.reader([line], delimiter=delimiter), [])):
                return delimiter
        except csv.Error:
            continue
    return None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Return the first line and the trimmed values of each row that is not blank; no values if the row is not CSV.

    If all values are in quotes, as Zotero writes them, a wrong quote affects only its own row, because the start of the
    next row can be found.
    """
    header = _header_line(text)
    delimiter = _delimiter(header) or ","
    starts = [_header_start(text)]
    if header.startswith(f'"Key"{delimiter}"Item Type"{delimiter}'):
        row_start = re.compile(rf'^(?="[^"\n]{{1,100}}"{delimiter}"[A-Za-z]+"{delimiter})', re.MULTILINE)
        starts += [match.start() for match in row_start.finditer(text, starts[0] + len(header))]
    line = 1 + text.count("\n", 0, starts[0])
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        reader = csv.reader(io.StringIO(text[start:end], newline=""), delimiter=delimiter, strict=True)
        while True:
            first = line + reader.line_num
            try:
                values = [value.strip() for value in next(reader)]
            except StopIteration:
                break
            except csv.Error:
                yield first, []
                if len(starts) > 1:
                    break
                continue
            if any(values):
                yield first, values
        line += text.count("\n", start, end)


def _entry(values: dict[str, str], line: int) -> RawEntry:
    added_at, problem = _added_at(values.get("Date Added", ""))
    return RawEntry(
        key=values["Key"][:100],
        line=line,
        title=values["Title"],
        abstract=values.get("Abstract Note", ""),
        authors=listed_names(values.get("Author", "")),
        url=values.get("Url", ""),
        doi=values.get("DOI", ""),
        eprint=values.get("Archive ID", ""),
        notes=(values.get("Extra", ""), values.get("Publication Title", "")),
        published=(values.get("Date", ""),),
        added_at=added_at,
        problems=(problem,) if problem else (),
    )


def _added_at(text: str) -> tuple[dt.datetime | None, str]:
    """Return the time, and what is wrong with it. A spreadsheet program may have rewritten all dates."""
    try:
        return (parse_time(text) if text else None), ""
    except ValueError as error:
        return None, f"Date Added: {snippet(text)} {error}"
