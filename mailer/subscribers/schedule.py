"""Checks and parses schedules."""

import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailer.domain.subscription import Schedule
from mailer.errors import InvalidField

EVERY_DAY = tuple(range(1, 8))


def check_schedule(schedule: Schedule) -> Schedule:
    """Return the schedule if it is valid.

    Raises:
        InvalidField: A part of the schedule is invalid; the error names it.
    """
    days = schedule.weekdays
    if not days or list(days) != sorted(set(days)) or not 1 <= days[0] <= days[-1] <= 7:
        raise InvalidField("weekdays", "must be one or more of 1 (Monday) to 7 (Sunday), ascending")
    if schedule.local_time.tzinfo is not None:
        raise InvalidField("local_time", "must have no time zone of its own")
    try:
        ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("time_zone", f"'{schedule.time_zone}' is not a time zone such as Europe/Vienna") from None
    return schedule


def parse_schedule(weekdays: str, time: str, zone: str) -> Schedule:
    """Return the schedule that the texts describe.

    Args:
        weekdays: ``daily``, or ISO weekdays such as ``1,3,5`` in any order.
        time: Local time such as ``07:30``.
        zone: Time zone such as ``Europe/Vienna``.

    Raises:
        InvalidField: One of the texts is invalid; the error names it.
    """
    try:
        days = EVERY_DAY if weekdays == "daily" else tuple(sorted({int(day) for day in weekdays.split(",")}))
    except ValueError:
        raise InvalidField("weekdays", f"'{weekdays}' is neither daily nor a list of days such as 1,3,5") from None
    try:
        local_time = dt.time.fromisoformat(time)
    except ValueError:
        raise InvalidField("time", f"'{time}' is not a time such as 07:30") from None
    return check_schedule(Schedule(days, local_time, zone))
