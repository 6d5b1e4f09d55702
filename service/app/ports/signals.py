"""The store of trend signals."""

from collections.abc import Sequence
from typing import Protocol

from service.domain.states import Activity, HeatingEvent


class SignalStore(Protocol):
    """Trend signals: upvote snapshots and the likes, saves and clicks of users. Events without a time are left out."""

    def changed_since(self, version: int) -> list[str]:
        """Return ids, in no order, of papers whose signals must be read again since the version."""

    def events_since(self, sequence: int, *, limit: int) -> list[tuple[str, HeatingEvent]]:
        """Return (paper id, event) of the first ``limit`` events after the sequence, in order of arrival."""

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Activity]:
        """Return all signals by paper id; leave out papers without signals."""
