"""What readers type into the forms, read and checked before anything is stored."""

import datetime as dt

from mailer.errors import InvalidField
from mailer.issues.feed import Preferences
from mailer.subscribers.subscription import Schedule
from mailer.subscribers.subscriptions import check_name, check_paper_count, check_schedule

Form = dict[str, list[str]]


def text(form: Form, name: str) -> str:
    """A field's first value, stripped; empty where there is none."""
    return (form.get(name) or [""])[0].strip()


def name_of(form: Form) -> str:
    """The reader's name; empty is fine.

    Raises:
        InvalidField: It cannot stand in a header.
    """
    return check_name(text(form, "name"))


def paper_count(form: Form, default: int) -> int:
    """Papers in an issue; the default where the field is empty.

    Raises:
        InvalidField: It is no number that an issue can hold.
    """
    typed = text(form, "paper_count")
    try:
        return check_paper_count(int(typed) if typed else default)
    except ValueError:
        raise InvalidField("paper_count", f"'{typed[:20]}' is not a number") from None


def schedule(form: Form) -> Schedule:
    """Days, hour and zone. Each day is ticked by hand: none ticked is said, not taken for all.

    Raises:
        InvalidField: Names the part that cannot be used.
    """
    ticked = form.get("weekdays", [])
    if not ticked:
        raise InvalidField("weekdays", "tick one day at least; to get no mail at all, use the link to unsubscribe")
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
    """What to follow and mute, a line each; None where the page had no such fields."""
    if "followed_topics" not in form:
        return None
    return Preferences(*(_lines(form, name) for name in Preferences.__dataclass_fields__))


def _lines(form: Form, name: str) -> tuple[str, ...]:
    """A text area's lines, each once."""
    return tuple(dict.fromkeys(line.strip() for line in text(form, name).splitlines() if line.strip()))
