"""Parsing of dates and times in ISO 8601."""

import datetime as dt
import re

from service.domain.errors import InvalidField
from service.domain.papers import check_digest_date

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def parse_time(text: str) -> dt.datetime:
    """Return a date (its first moment) or a date with time as UTC. A time without an offset counts as UTC.

    Raises:
        ValueError: The text has another form, or the time does not exist.
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
    """Return the date of a digest from an ISO date.

    Raises:
        InvalidField: The text is not a date, or the date is before 1990 or more than a day after ``now``.
    """
    text = text.strip()
    problem = "must be an ISO date such as 2024-03-11"
    if not _ISO_DATE.fullmatch(text):
        raise InvalidField("date", problem)
    try:
        return check_digest_date(dt.date.fromisoformat(text), now, "date")
    except ValueError as error:
        raise InvalidField("date", f"{problem}; there is no {text}") from error
