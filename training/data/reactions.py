"""What readers' events say in the end: who likes, clicked and dislikes what.

The same rules read interchange files and the service's database. As in the service, an event counts at its time,
unknown times first and ties by arrival; a dismissal takes back no like. What stands at the end gives a grade, the label
of the paper in a query:

    3   liked
    2   saved
    1   clicked, and nothing more
    0   disliked or dismissed, whatever was clicked; and everything else

Profiles are built from likes and saves alone, as the service builds them; a click is nothing but a label.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from training.data.snapshot import CLICKED, LIKED, SAVED, Likes

GRADED_EVENTS = frozenset({"like", "unlike", "dislike", "click", "save", "dismiss"})
OTHER_EVENTS = frozenset({"impression", "sent", "complaint"})
"""Known, and without a say in what a reader likes."""


class Event(NamedTuple):
    """One event; ``paper`` is a row, ``occurred_at`` Unix seconds, NaN unknown."""

    user_id: str
    paper: int
    kind: str
    occurred_at: float


@dataclass(frozen=True)
class Reactions:
    """What holds after all events.

    Attributes:
        users: Ids by reader number, ascending.
        likes: Liked and saved papers, from the first such event that still stands.
        clicks: Papers that were clicked and are neither liked nor disliked.
        dislikes: Disliked and dismissed papers, from the last such event.
    """

    users: tuple[str, ...]
    likes: Likes
    clicks: Likes
    dislikes: Likes


@dataclass(slots=True)
class _Standing:
    """Times of what still holds of one reader and paper; None where it does not."""

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
        """Grade and time; None where nothing holds."""
        if self.liked is not None or self.saved is not None:
            return LIKED if self.liked is not None else SAVED, _edge(min, self.liked, self.saved)
        if self.disliked is not None or self.dismissed is not None:
            return 0, _edge(max, self.disliked, self.dismissed)
        return None if self.clicked is None else (CLICKED, self.clicked)


def reactions_of(events: Iterable[Event]) -> Reactions:
    """What the events leave; they come in the order of their arrival. Kinds beyond ``GRADED_EVENTS`` say nothing."""
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


def _columns(rows: Sequence[tuple[int, int, float, int]]) -> Likes:
    users, papers, times, grades = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Likes.of(users, papers, times, grades)


def _edge(choose: Callable[..., float], *times: float | None) -> float:
    """The first or last of the times that are there; an unknown one is the first of all."""
    return choose((at for at in times if at is not None), key=_order)


def _order(at: float) -> float:
    return -np.inf if np.isnan(at) else at
