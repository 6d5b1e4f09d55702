"""Joins events to the slates that led to them: which papers were shown, and how users reacted.

An event that names its slate belongs to this slate, however late it comes. Any other event belongs to the latest slate
of the same user that holds the paper and was made at most ``WINDOW_DAYS`` before the event. An event without a time or
outside the window belongs to no slate.

A paper was shown if an issue with it was sent, if there is an impression of it, or if the user reacted to it. Other
papers of a slate were served but not seen: they are neither liked nor disliked, and in no training group.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray
from training.data.reactions import GRADED_EVENTS, Event, reactions_of

WINDOW_DAYS = 14
_WINDOW_SECONDS = WINDOW_DAYS * 86_400.0
SHOWING_EVENTS = frozenset({"sent", "impression"})
JOINED_EVENTS = GRADED_EVENTS | SHOWING_EVENTS


class LoggedEvent(NamedTuple):
    """One event of a user; ``occurred_at`` in Unix seconds (NaN unknown), ``slate_id`` empty if unknown."""

    paper_id: str
    kind: str
    occurred_at: float
    slate_id: str


@dataclass(frozen=True)
class LoggedSlate:
    """One slate as served.

    Attributes:
        as_of: Unix seconds.
        features_version: Version of the features, see ``ranker.bundle.bundle.Bundle``; empty if no model scored.
        paper_ids: (n,) paper ids in the order shown.
        features: (n, features) float32 as logged; (n, 0) if there are none.
        action_propensities: (n,) see ``ranker.explore``.
        has_sections: Whether the papers were ranked for different interests of the user.
    """

    slate_id: str
    user_id: str
    as_of: float
    model_version: str
    features_version: str
    paper_ids: tuple[str, ...]
    features: Float32Array
    action_propensities: Float64Array
    has_sections: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of one slate.

    Attributes:
        shown: (n,) whether each paper was shown.
        grades: (n,) see ``training.data.reactions``; 0 without a reaction.
    """

    shown: BoolArray
    grades: IndexArray


def outcomes_of(slates: Sequence[LoggedSlate], events: Sequence[LoggedEvent]) -> list[Outcome]:
    """Return the outcome of each slate of one user; ``events`` are all events of the user in the order of arrival."""
    places = [{paper_id: place for place, paper_id in enumerate(slate.paper_ids)} for slate in slates]
    number_of = {slate.slate_id: number for number, slate in enumerate(slates)}
    newest_first = sorted(range(len(slates)), key=lambda number: -slates[number].as_of)
    joined: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind not in JOINED_EVENTS:
            continue
        if event.slate_id:
            number = number_of.get(event.slate_id)
        else:
            number = next((each for each in newest_first if _led_to(slates[each], places[each], event)), None)
        if number is not None and event.paper_id in places[number]:
            joined[number].append(Event("", places[number][event.paper_id], event.kind, event.occurred_at))
    return [_outcome(len(slate.paper_ids), joined[number]) for number, slate in enumerate(slates)]


def _led_to(slate: LoggedSlate, places: dict[str, int], event: LoggedEvent) -> bool:
    """Return whether an event without a slate may belong to this one; False if its time is unknown."""
    return event.paper_id in places and 0 <= event.occurred_at - slate.as_of <= _WINDOW_SECONDS


def _outcome(count: int, events: Sequence[Event]) -> Outcome:
    shown = np.zeros(count, dtype=np.bool_)
    # Taking a like back does not show the paper again.
    shown[[event.paper for event in events if event.kind != "unlike"]] = True
    grades = np.zeros(count, dtype=np.intp)
    found = reactions_of(events)
    for part in (found.likes, found.clicks):
        grades[part.papers] = part.grades
    return Outcome(shown, grades)
