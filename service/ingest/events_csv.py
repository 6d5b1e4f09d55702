"""The interchange format of events: CSV with a header, plain or gzip.

Columns, in any order: user_id, paper_id, event, occurred_at (may be empty), and if known event_id and slate_id. Other
columns are ignored.
"""

import csv
import datetime as dt
from collections.abc import Iterator
from functools import lru_cache

from service.domain.errors import InvalidField, InvalidFile
from service.domain.events import MAX_FUTURE, Event, EventType, default_event_id
from service.domain.papers import check_id
from service.ingest.papers import snippet
from service.ingest.source import Source, iter_lines, source_name
from service.ingest.times import parse_time

REQUIRED_COLUMNS = ("user_id", "paper_id", "event", "occurred_at")
# Ids repeat from row to row, and checking them is half of the time that a row takes.
_checked_id = lru_cache(maxsize=50_000)(check_id)


def iter_events(source: Source, *, now: dt.datetime) -> Iterator[Event]:
    """The events in the file's order, checked one by one; memory holds one row.

    Args:
        source: A path or the bytes.
        now: Aware; an event may lie at most 5 minutes after it.

    Raises:
        InvalidFile: While iterating, at the first line at fault.
    """
    name = source_name(source)
    header: list[str] | None = None
    for line, row in _rows(source, name):
        if header is None:
            header = _checked_header(row, name, line)
        elif len(row) != len(header):
            raise InvalidFile(name, f"has {len(row)} fields, but the header has {len(header)}", line=line)
        else:
            yield _event(dict(zip(header, row, strict=True)), name, line, now)


def _rows(source: Source, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line for _, line in iter_lines(source)), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidFile(name, f"is not CSV: {error}", line=reader.line_num) from error
        if any(value.strip() for value in row):
            yield reader.line_num, [value.strip() for value in row]


def _checked_header(row: list[str], name: str, line: int) -> list[str]:
    missing = [column for column in REQUIRED_COLUMNS if column not in row]
    if missing:
        problem = f"the header lacks {', '.join(missing)}; it reads {snippet(','.join(row))}"
        raise InvalidFile(name, problem, line=line)
    if len(set(row)) < len(row):
        raise InvalidFile(name, "the header names a column twice", line=line)
    return row


def _event(values: dict[str, str], name: str, line: int, now: dt.datetime) -> Event:
    try:
        user_id, paper_id = _checked_id(values["user_id"], "user_id"), _checked_id(values["paper_id"], "paper_id")
        event_type = _event_type(values["event"])
        occurred_at = _time(values["occurred_at"], now)
        event_id, slate_id = values.get("event_id", ""), values.get("slate_id", "")
        return Event(
            event_id=check_id(event_id, "event_id")
            if event_id
            else default_event_id(user_id, paper_id, event_type, occurred_at),
            user_id=user_id,
            paper_id=paper_id,
            event_type=event_type,
            occurred_at=occurred_at,
            slate_id=check_id(slate_id, "slate_id") if slate_id else "",
        )
    except InvalidField as error:
        raise InvalidFile(name, error.message, line=line) from error


def _event_type(text: str) -> EventType:
    try:
        return EventType(text)
    except ValueError as error:
        known = ", ".join(kind.value for kind in EventType)
        raise InvalidField("event", f"{snippet(text)} is none of {known}") from error


def _time(text: str, now: dt.datetime) -> dt.datetime | None:
    if not text:
        return None
    try:
        moment = parse_time(text)
    except ValueError as error:
        raise InvalidField("occurred_at", f"{snippet(text)} {error}") from error
    if moment > now + MAX_FUTURE:
        raise InvalidField("occurred_at", f"{text} lies in the future")
    return moment
