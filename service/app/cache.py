"""A cache of versioned values, bounded by their sizes and by number of entries."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class VersionedCache(Generic[Key, Value]):
    """A cache that keeps one version of each value and evicts the least recently used values. Thread safe.

    Args:
        limit: Limit for the sizes of all values together. The value used last is kept even if it is larger by itself.
        size_of: Returns the size of a value.
        most: Limit for the number of values.
    """

    def __init__(self, limit: int, size_of: Callable[[Value], int], most: float = math.inf) -> None:
        self._limit = limit
        self._most = most
        self._size_of = size_of
        self._size = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[object, Value]] = OrderedDict()

    def find(self, key: Key, version: object) -> Value | None:
        """Return the value of this key and version; None if the cache has no or another version."""
        with self._lock:
            found_version, value = self._entries.get(key, (None, None))
            if value is None or found_version != version:
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: Key, version: object, value: Value) -> Value:
        """Keep the value in place of another version, and return it."""
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._size -= self._size_of(old[1])
            self._entries[key] = (version, value)
            self._size += self._size_of(value)
            while len(self._entries) > 1 and (self._size > self._limit or len(self._entries) > self._most):
                self._size -= self._size_of(self._entries.popitem(last=False)[1][1])
        return value
