"""Computes from a schedule whether a subscriber is due for an issue."""

import datetime as dt
from zoneinfo import ZoneInfo

from mailer.domain.subscription import Schedule


def latest_moment(schedule: Schedule, now: dt.datetime) -> dt.datetime:
    """Return the latest moment, at or before ``now``, at which the schedule asks for an issue, in UTC.

    If a clock change skips the local time, the moment is as much later as the clocks moved forward. If the local time
    occurs twice, the first occurrence counts.
    """
    zone = ZoneInfo(schedule.time_zone)
    today = now.astimezone(zone).date()
    # Eight days: today may be the only weekday of the schedule, with a time that is still to come.
    for back in range(8):
        day = today - dt.timedelta(days=back)
        if day.isoweekday() in schedule.weekdays:
            moment = dt.datetime.combine(day, schedule.local_time, zone).astimezone(dt.UTC)
            if moment <= now:
                return moment
    raise AssertionError("a schedule has at least one weekday")


def is_due(schedule: Schedule, now: dt.datetime, *, subscribed_at: dt.datetime, last: dt.datetime | None) -> bool:
    """Return whether the schedule asked for an issue after both the subscription's start and the last issue.

    Args:
        last: Time at which the last issue was made; None if there is none.
    """
    moment = latest_moment(schedule, now)
    return moment >= subscribed_at and (last is None or last < moment)


def weekdays_after(day: dt.date, today: dt.date) -> int:
    """Return the number of Mondays to Fridays after ``day`` up to and including ``today``; 0 if ``day`` is not past."""
    return sum((day + dt.timedelta(days=n)).isoweekday() <= 5 for n in range(1, (today - day).days + 1))
