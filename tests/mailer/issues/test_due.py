import datetime as dt

import pytest

from mailer.domain.subscription import Schedule
from mailer.issues.due import is_due, latest_moment

VIENNA = "Europe/Vienna"


def at(text: str) -> dt.datetime:
    """Return a moment in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        (Schedule(), "2026-03-11 18:00", "2026-03-11 07:00"),
        (Schedule(), "2026-03-11 06:59", "2026-03-10 07:00"),
        (Schedule(time_zone=VIENNA), "2026-03-11 06:00", "2026-03-11 06:00"),
        (Schedule(time_zone="Asia/Kathmandu"), "2026-03-11 01:14", "2026-03-10 01:15"),
        (Schedule(time_zone="Pacific/Kiritimati"), "2026-03-10 17:00", "2026-03-10 17:00"),
        (Schedule((5,), dt.time(9)), "2026-03-11 18:00", "2026-03-06 09:00"),
        (Schedule((3,), dt.time(19)), "2026-03-11 18:00", "2026-03-04 19:00"),
        # 02:30 does not exist on 29 March 2026 and occurs twice on 25 October 2026.
        (Schedule((7,), dt.time(2, 30), VIENNA), "2026-03-29 12:00", "2026-03-29 01:30"),
        (Schedule((7,), dt.time(2, 30), VIENNA), "2026-10-25 12:00", "2026-10-25 00:30"),
    ],
)
def test_latest_moment(schedule: Schedule, now: str, expected: str) -> None:
    """The latest moment that the schedule names, in the subscriber's zone and across clock changes."""
    assert latest_moment(schedule, at(now)) == at(expected)


def test_due_once() -> None:
    """A subscriber is due from the hour on until an issue is made, and once after several missed days."""
    schedule, since = Schedule(), at("2026-03-01 00:00")
    assert not is_due(schedule, at("2026-03-11 06:59"), subscribed_at=since, last=at("2026-03-10 07:01"))
    assert is_due(schedule, at("2026-03-11 07:00"), subscribed_at=since, last=at("2026-03-10 07:01"))
    assert not is_due(schedule, at("2026-03-11 07:05"), subscribed_at=since, last=at("2026-03-11 07:00"))
    assert is_due(schedule, at("2026-03-20 05:00"), subscribed_at=since, last=at("2026-03-11 07:00"))
    assert not is_due(schedule, at("2026-03-20 05:10"), subscribed_at=since, last=at("2026-03-20 05:00"))


def test_twice_the_same_hour() -> None:
    """If an hour occurs twice in a night, the subscriber is due once."""
    schedule = Schedule((7,), dt.time(2, 30), VIENNA)
    last = at("2026-10-25 00:31")
    assert not is_due(schedule, at("2026-10-25 01:31"), subscribed_at=at("2026-01-01 00:00"), last=last)


def test_a_new_subscriber_waits_for_the_hour() -> None:
    """A subscription made after the hour of the day is first due on the next day."""
    schedule, subscribed = Schedule(), at("2026-03-11 10:00")
    assert not is_due(schedule, at("2026-03-11 10:05"), subscribed_at=subscribed, last=None)
    assert is_due(schedule, at("2026-03-12 07:00"), subscribed_at=subscribed, last=None)
