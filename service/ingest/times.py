"""Dates and times as people and files write them: ISO 8601 and nothing else."""

import datetime as dt
import re

from service.domain.errors import InvalidField

EARLIEST_DIGEST = dt.date(1990, 1, 1)
MAX_DAYS_AHEAD = 1
"""Someone east of Greenwich may already have tomorrow's page."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def parse_time(text: str) -> dt.datetime:
    """A date (its first moment) or a date with time, as UTC; without an offset it is UTC already.

    Raises:
        ValueError: Not of that form, or not a time that exists.
    """
    text = text.strip()
    if not _ISO_TIME.fullmatch(text):
        raise ValueError("is not an ISO 8601 date or time such as 2024-03-11T08:30:00Z")
    try:
        moment = dt.datetime.fromisoformat(text.replace(",", ".").replace(" Z", "Z"))
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("is not a time that exists") from error


def parse_date(text: str, now: dt.datetime) -> dt.date:
    """The date of a digest, from an ISO date.

    Raises:
        InvalidField: ``date`` is no date, before 1990 or more than a day ahead of ``now``.
    """
    text = text.strip()
    problem = "must be an ISO date such as 2024-03-11"
    if not _ISO_DATE.fullmatch(text):
        raise InvalidField("date", problem)
    try:
        return check_date(dt.date.fromisoformat(text), now)
    except ValueError as error:
        raise InvalidField("date", f"{problem}; there is no {text}") from error


def check_date(date: dt.date, now: dt.datetime) -> dt.date:
    """``date``, if a digest can be of that day.

    Raises:
        InvalidField: ``date`` is before 1990 or more than a day ahead of ``now``.
    """
    if date < EARLIEST_DIGEST:
        raise InvalidField("date", f"{date} is before {EARLIEST_DIGEST}")
    if date > now.astimezone(dt.UTC).date() + dt.timedelta(days=MAX_DAYS_AHEAD):
        raise InvalidField("date", f"{date} lies in the future")
    return date
