"""Events to the slates that led to them: what was shown at which place, and what became of it.

An event that names its slate belongs to that slate, however late it comes. One that names none belongs to the latest
slate of the same reader that holds the paper and was made at most ``WINDOW_DAYS`` before it; without a time, or outside
the window, to none.

A paper was shown where an issue with it was sent, an impression says so, or the reader reacted to it. What a slate
holds below that was served and not seen: it is neither liked nor disliked, and no row of any training group.
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
    """One event of a reader; ``occurred_at`` in Unix seconds, NaN unknown; ``slate_id`` empty where none is named."""

    paper_id: str
    kind: str
    occurred_at: float
    slate_id: str


@dataclass(frozen=True)
class LoggedSlate:
    """One slate as served.

    Attributes:
        as_of: Unix seconds.
        features_version: See ``ranker.bundle.bundle.Bundle``; empty where no model scored.
        paper_ids: (n,) in the order shown.
        features: (n, features) float32 as logged; (n, 0) where there are none.
        action_propensities: (n,) see ``ranker.explore``.
    """

    slate_id: str
    user_id: str
    as_of: float
    model_version: str
    features_version: str
    paper_ids: tuple[str, ...]
    features: Float32Array
    action_propensities: Float64Array


@dataclass(frozen=True)
class Outcome:
    """What became of one slate.

    Attributes:
        shown: (n,) which papers were shown.
        grades: (n,) as ``training.data.reactions`` grades them; 0 for what was not reacted to.
    """

    shown: BoolArray
    grades: IndexArray


def outcomes_of(slates: Sequence[LoggedSlate], events: Sequence[LoggedEvent]) -> list[Outcome]:
    """What became of each of one reader's slates; ``events`` are all of the reader's, in the order of their arrival."""
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
    """Whether an event without a slate may belong to this one; never where its time is unknown."""
    return event.paper_id in places and 0 <= event.occurred_at - slate.as_of <= _WINDOW_SECONDS


def _outcome(count: int, events: Sequence[Event]) -> Outcome:
    shown = np.zeros(count, dtype=np.bool_)
    # To take a like back shows nothing anew.
    shown[[event.paper for event in events if event.kind != "unlike"]] = True
    grades = np.zeros(count, dtype=np.intp)
    found = reactions_of(events)
    for part in (found.likes, found.clicks):
        grades[part.papers] = part.grades
    return Outcome(shown, grades)
