"""The store of the signal ledger: recorded events of users, to list and to delete."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Protocol

from service.domain.events import EventType
from service.domain.ledger import RecordedEvent


class LedgerStore(Protocol):
    """Recorded events of users."""

    def page(
        self, user_id: str, kinds: Collection[EventType], *, before: int | None, limit: int
    ) -> list[RecordedEvent]:
        """Return the user's last ``limit`` events of these types before a sequence, the one recorded last first."""

    def of_papers(
        self, user_id: str, paper_ids: Sequence[str], *, recorded_by: dt.datetime | None = None
    ) -> list[RecordedEvent]:
        """Return all events of a user on some papers.

        For each paper they are in order of time, unknown times first, ties in order of arrival.

        Args:
            recorded_by: Ignore events that were recorded later; None takes all.
        """

    def delete_events(self, user_id: str, event_ids: Sequence[str], now: dt.datetime) -> int:
        """Delete the user's events of these ids and return their number."""

    def reset(self, user_id: str, now: dt.datetime) -> int:
        """Delete all events, preferences and interests of a user; return the number of events."""
