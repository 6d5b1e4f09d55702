"""What a user's events say now. Pure: rows in, a verdict per paper out."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

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
"""The rest (clicks, impressions: most of all events) says nothing about the state and need not be read."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """See ``UserState`` for the meaning and the order."""

    likes: tuple[Like, ...]
    dislikes: tuple[Like, ...]
    hidden_paper_ids: frozenset[str]


@dataclass(slots=True)
class _Standing:
    """What still holds of one paper; each is the place of the event that says so, or None."""

    liked: int | None = None
    saved: int | None = None
    disliked: int | None = None
    dismissed: int | None = None
    is_out: bool = False

    def take(self, event_type: EventType, place: int) -> None:
        if event_type is EventType.LIKE:
            self.liked, self.disliked, self.dismissed = place, None, None
        elif event_type is EventType.UNLIKE:
            self.liked = self.saved = self.disliked = None
        elif event_type is EventType.DISLIKE:
            self.liked, self.saved, self.disliked = None, None, place
        elif event_type is EventType.SAVE:
            self.saved = place
        elif event_type is EventType.DISMISS:
            self.dismissed = place
        else:
            self.is_out = True


def verdicts(events: Iterable[tuple[str, EventType, dt.datetime | None]]) -> Verdicts:
    """The state after events of ``DECIDING_EVENTS`` in order of time, unknown times first, ties by arrival.

    A paper is never both: one that is liked (or saved) and dismissed too counts as liked, because a dismissal only
    says "not in my feed". The time of a like is that of the latest LIKE or SAVE still in force; likewise of a dislike.
    """
    standings: dict[str, _Standing] = {}
    moments: list[tuple[str, dt.datetime | None]] = []
    for place, (paper_id, event_type, occurred_at) in enumerate(events):
        moments.append((paper_id, occurred_at))
        standings.setdefault(paper_id, _Standing()).take(event_type, place)
    liked, disliked, hidden = [], [], set()
    for paper_id, standing in standings.items():
        for_it = _latest(standing.liked, standing.saved)
        against_it = _latest(standing.disliked, standing.dismissed)
        if for_it is not None:
            liked.append(for_it)
        elif against_it is not None:
            disliked.append(against_it)
        if standing.is_out or for_it is not None or against_it is not None:
            hidden.add(paper_id)
    return Verdicts(
        likes=tuple(Like(*moments[place]) for place in sorted(liked)),
        dislikes=tuple(Like(*moments[place]) for place in sorted(disliked)),
        hidden_paper_ids=frozenset(hidden),
    )


def _latest(one: int | None, other: int | None) -> int | None:
    return max((place for place in (one, other) if place is not None), default=None)
