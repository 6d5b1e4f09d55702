"""Counts of what the process did since it started. Kept in memory; read by ``paperfeed status``."""

import collections
import threading


class Counters:
    """Thread-safe counters by name and label."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: collections.Counter[tuple[str, str]] = collections.Counter()
        self._fallbacks: collections.Counter[str] = collections.Counter()

    def count_call(self, method: str, code: str) -> None:
        """A call of ``method`` ended with status ``code``."""
        with self._lock:
            self._calls[method, code] += 1

    def count_fallback(self, reason: str) -> None:
        """A feed or ranking was served with this fallback reason (``NONE`` included)."""
        with self._lock:
            self._fallbacks[reason] += 1

    def calls(self) -> list[tuple[str, str, int]]:
        """(method, code, count), sorted."""
        with self._lock:
            return sorted((method, code, count) for (method, code), count in self._calls.items())

    def fallbacks(self) -> list[tuple[str, int]]:
        """(reason, count), sorted."""
        with self._lock:
            return sorted(self._fallbacks.items())
