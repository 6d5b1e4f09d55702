"""The times that limit what a run may see, in Unix seconds (UTC)."""

import datetime as dt

END_OF_TIME = 253_370_764_800.0
"""The year 9999: no upper limit."""
START_OF_TIME = -END_OF_TIME
"""No lower limit."""


def day_of(seconds: float) -> dt.date:
    """Return the day (UTC) of a time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()


def day_seconds(day: dt.date) -> float:
    """Return the time at which a day begins."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()
