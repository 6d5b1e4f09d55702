"""Rows of a CSV file with a header, as dictionaries."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from service.domain.errors import InvalidFile
from service.ingest.papers import snippet


def csv_records(lines: Iterable[str], source: str, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the number of the first line and the trimmed values of each row that is not blank.

    Args:
        required: Columns that the header must have, in any order.

    Raises:
        InvalidFile: While iterating: not CSV, a wrong header, or a row of another length than the header.
    """
    header: list[str] | None = None
    for line, row in _rows(lines, source):
        if header is None:
            header = row
            if missing := [column for column in required if column not in header]:
                problem = f"the header lacks {', '.join(missing)}; it reads {snippet(','.join(header))}"
                raise InvalidFile(source, problem + _header_hint(header, missing), line=line)
            if len(set(header)) < len(header):
                raise InvalidFile(source, "the header names a column twice", line=line)
        elif len(row) != len(header):
            raise InvalidFile(source, f"has {len(row)} fields, but the header has {len(header)}", line=line)
        else:
            yield line, dict(zip(header, row, strict=True))


def _header_hint(header: Sequence[str], missing: Sequence[str]) -> str:
    """Return what is probably wrong with a header; empty if that is unknown."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            return f". It has {name} between the columns; save the file with commas"
    if {name.lower() for name in missing} & {name.lower() for name in header}:
        return ". Column names must be written in small letters"
    return ""


def _rows(lines: Iterable[str], source: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for row in reader:
            if any(value.strip() for value in row):
                yield line, [value.strip() for value in row]
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidFile(source, f"is not CSV: {error}", line=line) from error
