"""What readers and sources have done with a paper, as the trend sees it."""

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.events import EventType

HEATING_EVENTS = (EventType.LIKE, EventType.SAVE, EventType.CLICK)
"""The events that make a paper hotter. What takes a like back does not cool it: many saw it all the same."""

HeatingEvent: TypeAlias = tuple[str, EventType, dt.datetime]
"""User id, kind and time."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One paper's.

    Attributes:
        snapshots: (seen at, upvotes), in no order.
        events: Heating events whose time is known, in order of arrival.
    """

    snapshots: tuple[tuple[dt.datetime, int], ...] = ()
    events: tuple[HeatingEvent, ...] = ()
