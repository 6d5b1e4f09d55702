"""Who is due when: the reader's own days and hour, in the reader's own zone."""

import datetime as dt
from zoneinfo import ZoneInfo

from mailer.subscribers.subscription import Schedule


def latest_moment(schedule: Schedule, now: dt.datetime) -> dt.datetime:
    """The newest moment, at or before ``now``, at which the schedule asks for an issue; UTC.

    An hour that a clock change leaves out is taken as much later as the clocks were put forward; one that comes twice
    counts the first time.
    """
    zone = ZoneInfo(schedule.time_zone)
    today = now.astimezone(zone).date()
    # A day more than a week: the last of this weekday may still lie ahead of now.
    for back in range(8):
        day = today - dt.timedelta(days=back)
        if day.isoweekday() in schedule.weekdays:
            moment = dt.datetime.combine(day, schedule.local_time, zone).astimezone(dt.UTC)
            if moment <= now:
                return moment
    raise AssertionError("a schedule has at least one weekday")


def is_due(schedule: Schedule, now: dt.datetime, *, subscribed_at: dt.datetime, last: dt.datetime | None) -> bool:
    """Whether the schedule has asked for an issue since the subscription began and the last issue was made."""
    moment = latest_moment(schedule, now)
    return moment >= subscribed_at and (last is None or last < moment)


def weekdays_after(day: dt.date, today: dt.date) -> int:
    """Mondays to Fridays after ``day``, up to and with ``today``; 0 where it is not in the past."""
    return sum((day + dt.timedelta(days=n)).isoweekday() <= 5 for n in range(1, (today - day).days + 1))
