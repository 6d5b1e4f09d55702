"""State derived from events: a user's likes, dislikes and hidden papers, and a paper's trend signals."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.events import EventType, Like

DECIDING_EVENTS = (
    EventType.LIKE,
    EventType.UNLIKE,
    EventType.DISLIKE,
    EventType.SAVE,
    EventType.DISMISS,
    EventType.SENT,
    EventType.COMPLAINT,
)
"""Types of events that affect the state. Clicks and impressions, the majority of events, do not."""

LIKING_EVENTS = (EventType.LIKE, EventType.SAVE)
"""Types of events that make a paper one of the user's likes."""

HEATING_EVENTS = (EventType.LIKE, EventType.SAVE, EventType.CLICK)
"""Types of events that raise a paper's trend. Taking a like back does not lower it."""

HeatingEvent: TypeAlias = tuple[str, EventType, dt.datetime]
"""User id, event type and time."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Likes, dislikes and hidden papers of one user; ``UserState`` defines their meaning and order."""

    likes: tuple[Like, ...]
    dislikes: tuple[Like, ...]
    hidden_paper_ids: frozenset[str]


# Python looks up a member of an enumeration slowly, and a profile needs hundreds.
_LIKE, _SAVE, _DISLIKE, _DISMISS = EventType.LIKE, EventType.SAVE, EventType.DISLIKE, EventType.DISMISS
_UNDONE_BY = {
    EventType.LIKE: (EventType.DISLIKE, EventType.DISMISS),
    EventType.UNLIKE: (EventType.LIKE, EventType.SAVE, EventType.DISLIKE, EventType.UNLIKE),
    EventType.DISLIKE: (EventType.LIKE, EventType.SAVE),
}
"""Events that an event of this type takes back. UNLIKE has no effect of its own."""


def verdicts(events: Iterable[tuple[str, EventType, dt.datetime | None]]) -> Verdicts:
    """Reduce (paper id, type, time) of ``DECIDING_EVENTS`` to the current state.

    The events must be in order of time, unknown times first, ties in order of arrival. A paper that is liked or saved
    and also dismissed counts as liked, because a dismissal only removes it from the feed. The time of a like is that
    of the latest LIKE or SAVE in force; the time of a dislike likewise.
    """
    # Index of the latest event of each type that is in force, by paper.
    by_paper: dict[str, dict[EventType, int]] = {}
    moments: list[tuple[str, dt.datetime | None]] = []
    for index, (paper_id, event_type, occurred_at) in enumerate(events):
        moments.append((paper_id, occurred_at))
        _react(by_paper.setdefault(paper_id, {}), event_type, index)
    liked, disliked, saved = [], [], set()
    for reactions in by_paper.values():
        like = max(reactions.get(_LIKE, -1), reactions.get(_SAVE, -1))
        dislike = max(reactions.get(_DISLIKE, -1), reactions.get(_DISMISS, -1))
        if like >= 0:
            liked.append(like)
            saved |= {like} if _SAVE in reactions else set()
        elif dislike >= 0:
            disliked.append(dislike)
    return Verdicts(
        likes=tuple(Like(*moments[index], is_saved=index in saved) for index in sorted(liked)),
        dislikes=tuple(Like(*moments[index]) for index in sorted(disliked)),
        hidden_paper_ids=frozenset(paper_id for paper_id, reactions in by_paper.items() if reactions),
    )


def in_force(kinds: Iterable[EventType]) -> dict[EventType, int]:
    """Return the place, from 0, of the latest event of each type that is in force on one paper.

    Args:
        kinds: Types of all events of one user on the paper, in the order that ``verdicts`` needs.
    """
    reactions: dict[EventType, int] = {}
    for place, kind in enumerate(kinds):
        if kind in DECIDING_EVENTS:
            _react(reactions, kind, place)
    return reactions


def _react(reactions: dict[EventType, int], kind: EventType, place: int) -> None:
    """Add an event to the reactions in force on one paper, and remove those that it takes back."""
    reactions[kind] = place
    for undone in _UNDONE_BY.get(kind, ()):
        reactions.pop(undone, None)


@dataclass(frozen=True, slots=True)
class Activity:
    """Trend signals of one paper.

    Attributes:
        snapshots: (time, number of upvotes at that time), in no particular order.
        events: Events of ``HEATING_EVENTS`` with a known time, in order of arrival.
    """

    snapshots: tuple[tuple[dt.datetime, int], ...] = ()
    events: tuple[HeatingEvent, ...] = ()
