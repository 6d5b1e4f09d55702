"""Events in the interchange format: CSV with a header, plain or gzip.

Columns, in any order: user_id, paper_id, event, occurred_at (may be empty); optionally event_id and slate_id. Other
columns are ignored.
"""

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache

from service.domain.errors import InvalidField, InvalidFile
from service.domain.events import MAX_FUTURE, Event, EventType, default_event_id
from service.domain.papers import check_id
from service.ingest.csv_records import csv_records
from service.ingest.papers import snippet
from service.ingest.source import Source, iter_lines, source_name
from service.ingest.times import parse_time

REQUIRED_COLUMNS = ("user_id", "paper_id", "event", "occurred_at")
# Ids repeat from row to row, and checking them is half of the time that a row takes.
_checked_id = lru_cache(maxsize=50_000)(check_id)


def iter_events(source: Source, *, now: dt.datetime) -> Iterator[Event]:
    """Return the events in the file's order, reading one row at a time.

    Args:
        now: The time now, with its zone. An event may be at most 5 minutes later.

    Raises:
        InvalidFile: While iterating, for the first invalid line.
    """
    name = source_name(source)
    lines = (line for _, line in iter_lines(source))
    for line, values in csv_records(lines, name, REQUIRED_COLUMNS):
        yield _event(values, name, line, now)


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
        if text.lower() in {kind.value for kind in EventType}:
            raise InvalidField("event", f"{snippet(text)} must be written in small letters: {text.lower()}") from error
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
