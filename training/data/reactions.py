"""Reduces events to reactions: the likes, clicks and dislikes that hold after all events.

The same rules apply to files and databases. As in the service, events count in the order of their times; unknown times
come first, and ties keep the order of arrival. A dismissal does not take back a like. The final state of a paper gives
its grade, which is its label in a query:

    3   liked
    2   saved
    1   clicked, and nothing more
    0   disliked or dismissed, clicked or not; and everything else

Profiles are built from likes and saves, as in the service; a click is only a label.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.papers import PaperColumns
from training.data.snapshot import CLICKED, LIKED, SAVED, Dataset, Likes
from training.progress import Warn

GRADED_EVENTS = frozenset({"like", "unlike", "dislike", "click", "save", "dismiss"})


class Event(NamedTuple):
    """One event; ``paper`` is a row, ``occurred_at`` is in Unix seconds (NaN unknown)."""

    user_id: str
    paper: int
    kind: str
    occurred_at: float


@dataclass(frozen=True)
class Reactions:
    """The reactions that hold after all events.

    Attributes:
        users: User ids by user number, ascending.
        likes: Liked and saved papers, with the time of the first such event that still holds.
        clicks: Papers that were clicked and are neither liked nor disliked.
        dislikes: Disliked and dismissed papers, with the time of the last such event.
    """

    users: tuple[str, ...]
    likes: Likes
    clicks: Likes
    dislikes: Likes


@dataclass(slots=True)
class _Standing:
    """Times of the reactions of one user to one paper; None where a reaction does not hold."""

    liked: float | None = None
    saved: float | None = None
    clicked: float | None = None
    disliked: float | None = None
    dismissed: float | None = None

    def take(self, kind: str, at: float) -> None:
        if kind == "like":
            self.liked = at if self.liked is None else self.liked
            self.disliked = self.dismissed = None
        elif kind == "save":
            self.saved = at if self.saved is None else self.saved
        elif kind == "click":
            self.clicked = at if self.clicked is None else self.clicked
        elif kind == "unlike":
            self.liked = self.saved = self.clicked = self.disliked = None
        elif kind == "dislike":
            self.liked, self.saved, self.disliked = None, None, at
        elif kind == "dismiss":
            self.dismissed = at

    def verdict(self) -> tuple[int, float] | None:
        """Return grade and time; None where no reaction holds."""
        if self.liked is not None or self.saved is not None:
            return LIKED if self.liked is not None else SAVED, _edge(min, self.liked, self.saved)
        if self.disliked is not None or self.dismissed is not None:
            return 0, _edge(max, self.disliked, self.dismissed)
        return None if self.clicked is None else (CLICKED, self.clicked)


def reactions_of(events: Iterable[Event]) -> Reactions:
    """Return the reactions after all events, which come in the order of arrival. Ungraded events are ignored."""
    standings: dict[tuple[str, int], _Standing] = {}
    for event in sorted(events, key=lambda each: _order(each.occurred_at)):
        if event.kind in GRADED_EVENTS:
            standings.setdefault((event.user_id, event.paper), _Standing()).take(event.kind, event.occurred_at)
    users = tuple(sorted({user for user, _ in standings}))
    number_of = {user: number for number, user in enumerate(users)}
    rows: dict[int, list[tuple[int, int, float, int]]] = {grade: [] for grade in (0, CLICKED, LIKED)}
    for (user, paper), standing in standings.items():
        if verdict := standing.verdict():
            grade, at = verdict
            rows[LIKED if grade == SAVED else grade].append((number_of[user], paper, at, grade))
    return Reactions(users, likes=_columns(rows[LIKED]), clicks=_columns(rows[CLICKED]), dislikes=_columns(rows[0]))


def dataset_of(
    name: str, papers: PaperColumns, reactions: Reactions, code_of: Callable[[str], int], warn: Warn
) -> Dataset:
    """Return the data set of a service.

    Args:
        code_of: Gives a user's code in ``papers.signals``.
    """
    found = Dataset(
        name=name,
        papers=papers,
        likes=reactions.likes,
        clicks=reactions.clicks,
        dislikes=reactions.dislikes,
        user_codes=np.array([code_of(user) for user in reactions.users], dtype=np.int64),
    )
    return found.with_history(warn)


def _columns(rows: Sequence[tuple[int, int, float, int]]) -> Likes:
    users, papers, times, grades = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Likes.of(users, papers, times, grades)


def _edge(choose: Callable[..., float], *times: float | None) -> float:
    """Return the first or last of the times that are not None; an unknown time is before all others."""
    return choose((at for at in times if at is not None), key=_order)


def _order(at: float) -> float:
    return -np.inf if np.isnan(at) else at
