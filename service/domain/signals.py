"""Trend signals of papers: upvotes and events of users."""

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.events import EventType

HEATING_EVENTS = (EventType.LIKE, EventType.SAVE, EventType.CLICK)
"""Types of events that raise a paper's trend. Taking a like back does not lower it."""

HeatingEvent: TypeAlias = tuple[str, EventType, dt.datetime]
"""User id, event type and time."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Trend signals of one paper.

    Attributes:
        snapshots: (time, number of upvotes at that time), in no particular order.
        events: Events of ``HEATING_EVENTS`` with a known time, in order of arrival.
    """

    snapshots: tuple[tuple[dt.datetime, int], ...] = ()
    events: tuple[HeatingEvent, ...] = ()
