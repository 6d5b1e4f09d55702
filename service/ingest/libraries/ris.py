"""Reference libraries in RIS, as written by EndNote, Zotero, Mendeley, Scopus and publishers' sites."""

import re
from collections.abc import Iterator
from itertools import chain

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry
from service.ingest.libraries.names import listed_names
from service.ingest.problems import Problem

# Two spaces before the hyphen by the rules, one in some exports; the first tag of a file tells which it is.
_TAG = {
    1: re.compile(r"^(?:(?:(TY|ER)[^\S\n]*|([A-Z][A-Z0-9]) )-(?=[^\S\n]|$))[^\S\n]*(.*)$", re.MULTILINE),
    2: re.compile(r"^(?:(TY|ER)[^\S\n]*|([A-Z][A-Z0-9])  )-[^\S\n]*(.*)$", re.MULTILINE),
}
_FIRST_TAG = re.compile(r"^(?:TY|TI|T1|AU|A1)(  (?=-)| (?=-(?: |$)))", re.MULTILINE)
_MARK = re.compile(r"^(?:TY|ER) {1,2}-", re.MULTILINE)
_ARTICLE_NOTES = ("N1", "M1", "JO", "JF", "T2")
_WHOLE_BOOKS = {"BOOK", "EBOOK", "EDBOOK", "WHOLE"}


def ris_start(text: str) -> int | None:
    """Return the position of the first tag; None without tags of RIS, or without the start or end of a record."""
    first = _FIRST_TAG.search(text)
    return first.start() if first and _MARK.search(text) else None


def parse_ris(text: str, source: str) -> Iterator[RawEntry | Problem]:
    """Return the records in the file's order.

    A record ends at its end tag (ER), where the next begins, or at the end of the file.

    Raises:
        InvalidFile: While iterating: the file ends in the middle of a line of a record without an end, although other
            records have one.
    """
    has_ends = bool(re.search(r"^ER[^\S\n]*-", text, re.MULTILINE))
    record: dict[str, list[str]] = {}
    start = 1
    for tag, value, line in _tagged(text):
        if tag in ("TY", "ER") and record:
            yield _entry(record, start)
            record = {}
        if tag != "ER":
            start = start if record else line
            record.setdefault(tag, []).append(value)
    if record and has_ends and not text.endswith("\n"):
        problem = "the file ends inside the RIS record that begins here; is it cut off? If not, add a line 'ER  - '"
        raise InvalidFile(source, problem, line=start)
    if record:
        yield _entry(record, start)


def _tagged(text: str) -> Iterator[tuple[str, str, int]]:
    """Return the tags with their values, which may have several lines, and the line of each."""
    first = _FIRST_TAG.search(text)
    found: re.Match[str] | None = None
    line, position = 1, 0
    for match in chain(_TAG[len(first[1]) if first else 2].finditer(text), (None,)):
        if found:
            end = match.start() if match else len(text)
            yield found[1] or found[2], text[found.start(3) : end].strip(), line
        if match:
            line, position = line + text.count("\n", position, match.start()), match.start()
        found = match


def _entry(record: dict[str, list[str]], line: int) -> RawEntry:
    kind = _first(record, "TY").upper()
    return RawEntry(
        key=_first(record, "ID", "AN"),
        line=line,
        title=_first(record, "TI", "T1", *(("BT",) if kind in _WHOLE_BOOKS else ())),
        abstract=_first(record, "AB", "N2"),
        authors=tuple(name for tag in ("AU", "A1") for value in record.get(tag, ()) for name in listed_names(value)),
        url=next((url.strip() for url in _first(record, "UR", "L2").split(";") if url.strip()), ""),
        doi=_first(record, "DO"),
        notes=tuple(value for tag in _ARTICLE_NOTES for value in record.get(tag, ())),
        published=tuple(value for tag in ("DA", "Y1", "PY") for value in record.get(tag, ())),
    )


def _first(record: dict[str, list[str]], *tags: str) -> str:
    return next((value.strip() for tag in tags for value in record.get(tag, ()) if value.strip()), "")
