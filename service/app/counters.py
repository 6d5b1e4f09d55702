"""Counts of calls, feeds and events since the process started, for ``paperfeed status`` and for metrics."""

import collections
import threading
from collections.abc import Iterable
from typing import NamedTuple


class FeedKind(NamedTuple):
    """What feeds and rankings are counted by."""

    fallback_reason: str
    model_version: str
    stale_digest: bool


class Counters:
    """Counters of calls, feeds and recorded events. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: collections.Counter[tuple[str, str]] = collections.Counter()
        self._feeds: collections.Counter[FeedKind] = collections.Counter()
        self._events: collections.Counter[str] = collections.Counter()

    def count_call(self, method: str, code: str) -> None:
        """Count a call of ``method`` that ended with status ``code``."""
        with self._lock:
            self._calls[method, code] += 1

    def count_feed(self, fallback_reason: str, model_version: str, *, stale_digest: bool = False) -> None:
        """Count a served feed or ranking by its fallback reason, including ``NONE``, and if its digest is stale."""
        with self._lock:
            self._feeds[FeedKind(fallback_reason, model_version, stale_digest)] += 1

    def count_events(self, event_types: Iterable[str]) -> None:
        """Count new events by their types."""
        with self._lock:
            self._events.update(event_types)

    def calls(self) -> list[tuple[str, str, int]]:
        """Return (method, code, count), sorted."""
        with self._lock:
            return sorted((method, code, count) for (method, code), count in self._calls.items())

    def feeds(self) -> list[tuple[FeedKind, int]]:
        """Return (kind, count), sorted."""
        with self._lock:
            return sorted(self._feeds.items())

    def events(self) -> list[tuple[str, int]]:
        """Return (event type, count), sorted."""
        with self._lock:
            return sorted(self._events.items())

    def fallbacks(self) -> list[tuple[str, int]]:
        """Return (fallback reason, count), sorted."""
        found: collections.Counter[str] = collections.Counter()
        for kind, count in self.feeds():
            found[kind.fallback_reason] += count
        return sorted(found.items())

    @property
    def stale_count(self) -> int:
        """Number of feeds of a stale digest."""
        return sum(count for kind, count in self.feeds() if kind.stale_digest)
