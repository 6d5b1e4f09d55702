"""Counts of calls and fallbacks since the process started. Kept in memory; shown by ``paperfeed status``."""

import collections
import threading


class Counters:
    """Counters of calls and fallbacks. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: collections.Counter[tuple[str, str]] = collections.Counter()
        self._fallbacks: collections.Counter[str] = collections.Counter()
        self._stale_count = 0

    def count_call(self, method: str, code: str) -> None:
        """Count a call of ``method`` that ended with status ``code``."""
        with self._lock:
            self._calls[method, code] += 1

    def count_fallback(self, reason: str, *, stale_digest: bool = False) -> None:
        """Count a served feed or ranking by its fallback reason, including ``NONE``, and if its digest is stale."""
        with self._lock:
            self._fallbacks[reason] += 1
            self._stale_count += stale_digest

    def calls(self) -> list[tuple[str, str, int]]:
        """Return (method, code, count), sorted."""
        with self._lock:
            return sorted((method, code, count) for (method, code), count in self._calls.items())

    def fallbacks(self) -> list[tuple[str, int]]:
        """Return (reason, count), sorted."""
        with self._lock:
            return sorted(self._fallbacks.items())

    @property
    def stale_count(self) -> int:
        """Number of feeds of a stale digest."""
        return self._stale_count
