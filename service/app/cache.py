"""A cache of versioned values, bounded by bytes and by number of entries."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class VersionedCache(Generic[Key, Value]):
    """A cache that keeps one version of each value and evicts the least recently used values. Thread safe.

    Args:
        limit_bytes: Limit for all values together. The value used last is kept even if it is larger by itself.
        bytes_of: Returns the size of a value in bytes.
        most: Limit for the number of values; None sets no limit.
    """

    def __init__(self, limit_bytes: int, bytes_of: Callable[[Value], int], most: int | None = None) -> None:
        self._limit = limit_bytes
        self._most = most
        self._bytes_of = bytes_of
        self._bytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[object, Value]] = OrderedDict()

    def get(self, key: Key, version: object, build: Callable[[], Value]) -> Value:
        """Return the value of this key and version; call ``build`` if the cache has no or another version."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == version:
                self._entries.move_to_end(key)
                return entry[1]
        value = build()
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._bytes -= self._bytes_of(old[1])
            self._entries[key] = (version, value)
            self._bytes += self._bytes_of(value)
            while len(self._entries) > 1 and self._is_too_much():
                self._bytes -= self._bytes_of(self._entries.popitem(last=False)[1][1])
        return value

    def _is_too_much(self) -> bool:
        return self._bytes > self._limit or (self._most is not None and len(self._entries) > self._most)
