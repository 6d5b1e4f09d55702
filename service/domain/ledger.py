"""The signal ledger: recorded events of a user, and what each of them does to feeds now."""

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from service.domain.events import Event, EventType
from service.domain.states import HEATING_EVENTS, LIKING_EVENTS, in_force


class SignalEffect(enum.Enum):
    """What an event does to feeds."""

    MORE_SIMILAR = "more_similar"
    FEWER_SIMILAR = "fewer_similar"
    HIDES_PAPER = "hides_paper"
    TAKES_BACK = "takes_back"
    TREND = "trend"


class RecordedEvent(NamedTuple):
    """A stored event with its place in the order of arrival and the time when it was recorded."""

    sequence: int
    event: Event
    recorded_at: dt.datetime


LEDGER_EVENTS = tuple(kind for kind in EventType if kind is not EventType.IMPRESSION)
"""Types of events that shape feeds."""
_DISLIKING_EVENTS = (EventType.DISLIKE, EventType.DISMISS)
_CAN_BE_TAKEN_BACK = (*LIKING_EVENTS, EventType.DISLIKE)


def effects_of(history: Sequence[RecordedEvent]) -> dict[str, tuple[SignalEffect, ...]]:
    """Return what each event of one user does now, by event_id.

    Args:
        history: All events of some papers, in order of time, unknown times first, ties in order of arrival.
    """
    by_paper: dict[str, list[Event]] = defaultdict(list)
    for each in history:
        by_paper[each.event.paper_id].append(each.event)
    found: dict[str, tuple[SignalEffect, ...]] = {}
    for events in by_paper.values():
        forced = in_force(event.event_type for event in events)
        is_liked = any(kind in forced for kind in LIKING_EVENTS)
        taking_back = _taking_back([event.event_type for event in events])
        for place, event in enumerate(events):
            effects = _in_force_effects(event.event_type, is_liked=is_liked) if place in forced.values() else []
            if place == taking_back:
                effects.append(SignalEffect.TAKES_BACK)
            if event.event_type in HEATING_EVENTS and event.occurred_at is not None:
                effects.append(SignalEffect.TREND)
            found[event.event_id] = tuple(effects)
    return found


def hiding_events(history: Sequence[RecordedEvent]) -> tuple[Event, ...]:
    """Return the events in force that hide one paper, newest first.

    Args:
        history: All events of the user on the paper, in the order that ``effects_of`` needs.
    """
    forced = in_force(each.event.event_type for each in history)
    return tuple(history[place].event for place in sorted(forced.values(), reverse=True))


def _in_force_effects(kind: EventType, *, is_liked: bool) -> list[SignalEffect]:
    effects = [SignalEffect.HIDES_PAPER]
    if kind in LIKING_EVENTS:
        effects.insert(0, SignalEffect.MORE_SIMILAR)
    elif kind in _DISLIKING_EVENTS and not is_liked:
        effects.insert(0, SignalEffect.FEWER_SIMILAR)
    return effects


def _taking_back(kinds: Sequence[EventType]) -> int | None:
    """Return the place of the UNLIKE that makes earlier reactions to a paper not count; None if there is none."""
    place = None
    for number, kind in enumerate(kinds):
        if kind in _CAN_BE_TAKEN_BACK:
            place = None
        elif kind is EventType.UNLIKE and any(before in _CAN_BE_TAKEN_BACK for before in kinds[:number]):
            place = number
    return place
