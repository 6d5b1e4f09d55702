"""Reference libraries in RIS, as written by EndNote, Zotero, Mendeley and publishers' sites."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry, display_name
from service.ingest.third_party import third_party_parser

MAX_RECORD_LENGTH = 500_000
"""Maximum number of characters, because rispy takes quadratic time for a text over many lines."""

_BORDER = re.compile(r"^(TY|ER)  -", re.MULTILINE)


def parse_ris(text: str, source: str) -> Iterator[RawEntry]:
    """Return the records in the file's order.

    Raises:
        InvalidFile: A record has no end (rispy would skip it), or an end has no record.
    """
    lines = _record_lines(text, source)
    with third_party_parser(source, "RIS", "rispy"):
        import rispy

        records = rispy.loads(text)
    if len(records) != len(lines):
        raise InvalidFile(source, f"has {len(lines)} RIS records, but only {len(records)} of them can be read")
    for line, record in zip(lines, records, strict=True):
        yield _entry(record, line)


def _record_lines(text: str, source: str) -> list[int]:
    """Return the first line of each record."""
    lines: list[int] = []
    is_open, line, position, start = False, 1, 0, 0
    for match in _BORDER.finditer(text):
        line, position = line + text.count("\n", position, match.start()), match.start()
        is_start = match[1] == "TY"
        if is_open and match.start() - start > MAX_RECORD_LENGTH:
            raise InvalidFile(source, f"the RIS record is longer than {MAX_RECORD_LENGTH:,} characters", line=lines[-1])
        if is_start and is_open:
            raise InvalidFile(source, f"a RIS record begins before the record of line {lines[-1]} ends", line=line)
        if not is_start and not is_open:
            raise InvalidFile(source, "a RIS record ends here, but none has begun", line=line)
        if is_start:
            lines.append(line)
            start = match.start()
        is_open = is_start
    if is_open:
        raise InvalidFile(source, "the RIS record that begins here has no end (ER)", line=lines[-1])
    return lines


def _entry(record: Mapping[str, Any], line: int) -> RawEntry:
    urls = _texts(record, "urls")
    notes = (*_texts(record, "notes"), *_texts(record, "note"), *_texts(record, "journal_name"))
    return RawEntry(
        place=f"record {_first(record, 'id')[:100]}".strip(),
        line=line,
        title=_first(record, "title", "primary_title"),
        abstract=_first(record, "abstract", "notes_abstract"),
        authors=tuple(display_name(name) for name in _texts(record, "authors") or _texts(record, "first_authors")),
        url=urls[0] if urls else "",
        doi=_first(record, "doi"),
        notes=(*notes, *_texts(record, "alternate_title3"), *_texts(record, "secondary_title")),
        published=_first(record, "date"),
    )


def _texts(record: Mapping[str, Any], name: str) -> list[str]:
    value = record.get(name)
    values = value if isinstance(value, list) else [value]
    return [text.strip() for text in values if isinstance(text, str) and text.strip()]


def _first(record: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names for text in _texts(record, name)), "")
