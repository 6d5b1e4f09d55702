"""Reads and checks the fields of submitted forms."""

import datetime as dt

from mailer.domain.feed import Preferences
from mailer.domain.subscription import Schedule
from mailer.errors import InvalidField
from mailer.subscribers.schedule import check_schedule
from mailer.subscribers.subscriptions import check_paper_count

Form = dict[str, list[str]]


def text(form: Form, name: str) -> str:
    """Return the first value of a field, stripped; empty if there is none."""
    return (form.get(name) or [""])[0].strip()


def paper_count(form: Form, default: int) -> int:
    """Return the number of papers in an issue, or the default if the field is empty.

    Raises:
        InvalidField: The field is not a number, or an issue cannot hold that many papers.
    """
    typed = text(form, "paper_count")
    try:
        return check_paper_count(int(typed) if typed else default)
    except ValueError:
        raise InvalidField("paper_count", f"'{typed[:20]}' is not a number") from None


def schedule(form: Form) -> Schedule:
    """Return the schedule. A form without a checked weekday is an error; it does not mean every day.

    Raises:
        InvalidField: A part of the schedule is invalid; the error names it.
    """
    ticked = form.get("weekdays", [])
    if not ticked:
        raise InvalidField("weekdays", "select at least one day; to get no mail at all, use the link to unsubscribe")
    if not all(day in "1234567" and len(day) == 1 for day in ticked):
        raise InvalidField("weekdays", "must be 1 (Monday) to 7 (Sunday)")
    try:
        local_time = dt.time.fromisoformat(text(form, "local_time") or "07:00")
    except ValueError:
        raise InvalidField("local_time", "is not a time such as 07:30") from None
    weekdays = tuple(sorted({int(day) for day in ticked}))
    to_the_minute = local_time.replace(second=0, microsecond=0)
    return check_schedule(Schedule(weekdays, to_the_minute, text(form, "time_zone") or "UTC"))


def preferences(form: Form) -> Preferences | None:
    """Return the topics, authors and keywords, one per line of a field; None if the form has no such fields."""
    if "followed_topics" not in form:
        return None
    # Beside each text area is a field with suggestions, whose value is one more line.
    lists = (lines(form, name) + lines(form, f"add_{name}") for name in Preferences.__dataclass_fields__)
    return Preferences(*(tuple(dict.fromkeys(each)) for each in lists))


def lines(form: Form, name: str) -> tuple[str, ...]:
    """Return the lines of a text area, stripped and without repeats."""
    return tuple(dict.fromkeys(line.strip() for line in text(form, name).splitlines() if line.strip()))
