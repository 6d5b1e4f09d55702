"""Reduction of a user's events to the current likes, dislikes and hidden papers. Reads no database."""

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
"""Types of events that affect the state. Clicks and impressions, the majority of events, do not."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Likes, dislikes and hidden papers of one user; ``UserState`` defines their meaning and order."""

    likes: tuple[Like, ...]
    dislikes: tuple[Like, ...]
    hidden_paper_ids: frozenset[str]


@dataclass(slots=True)
class _Reactions:
    """Reactions to one paper that are still in force, each as the index of its event, or None."""

    liked: int | None = None
    saved: int | None = None
    disliked: int | None = None
    dismissed: int | None = None
    is_hidden: bool = False

    def apply(self, event_type: EventType, index: int) -> None:
        if event_type is EventType.LIKE:
            self.liked, self.disliked, self.dismissed = index, None, None
        elif event_type is EventType.UNLIKE:
            self.liked = self.saved = self.disliked = None
        elif event_type is EventType.DISLIKE:
            self.liked, self.saved, self.disliked = None, None, index
        elif event_type is EventType.SAVE:
            self.saved = index
        elif event_type is EventType.DISMISS:
            self.dismissed = index
        else:
            self.is_hidden = True


def verdicts(events: Iterable[tuple[str, EventType, dt.datetime | None]]) -> Verdicts:
    """Reduce (paper id, type, time) of ``DECIDING_EVENTS`` to the current state.

    The events must be in order of time, unknown times first, ties in order of arrival. A paper that is liked or saved
    and also dismissed counts as liked, because a dismissal only removes it from the feed. The time of a like is that
    of the latest LIKE or SAVE in force; the time of a dislike likewise.
    """
    reactions: dict[str, _Reactions] = {}
    moments: list[tuple[str, dt.datetime | None]] = []
    for index, (paper_id, event_type, occurred_at) in enumerate(events):
        moments.append((paper_id, occurred_at))
        reactions.setdefault(paper_id, _Reactions()).apply(event_type, index)
    liked, disliked, hidden = [], [], set()
    for paper_id, paper in reactions.items():
        like = _latest(paper.liked, paper.saved)
        dislike = _latest(paper.disliked, paper.dismissed)
        if like is not None:
            liked.append(like)
        elif dislike is not None:
            disliked.append(dislike)
        if paper.is_hidden or like is not None or dislike is not None:
            hidden.add(paper_id)
    return Verdicts(
        likes=tuple(Like(*moments[index]) for index in sorted(liked)),
        dislikes=tuple(Like(*moments[index]) for index in sorted(disliked)),
        hidden_paper_ids=frozenset(hidden),
    )


def _latest(one: int | None, other: int | None) -> int | None:
    return max((index for index in (one, other) if index is not None), default=None)
