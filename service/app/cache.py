"""A cache of versioned values, bounded by their sizes and by number of entries."""

import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Cache = TypeVar("Cache")


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
        self._entries: OrderedDict[Key, tuple[Hashable, Value]] = OrderedDict()
        self._flights: dict[tuple[Key, Hashable], Future[Value]] = {}

    @property
    def size(self) -> int:
        """Sizes of all values together."""
        return self._size

    def find(self, key: Key, version: Hashable) -> Value | None:
        """Return the value of this key and version; None if the cache has no or another version."""
        with self._lock:
            return self._find(key, version)

    def last(self, key: Key) -> Value | None:
        """Return the value of this key in any version; None if the cache has none."""
        with self._lock:
            return self._entries.get(key, (None, None))[1]

    def put(self, key: Key, version: Hashable, value: Value) -> Value:
        """Keep the value in place of another version, and return it."""
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._size -= self._size_of(old[1])
            self._entries[key] = (version, value)
            self._size += self._size_of(value)
            while len(self._entries) > 1 and (self._size > self._limit or len(self._entries) > self._most):
                self._size -= self._size_of(self._entries.popitem(last=False)[1][1])
        return value

    def get(self, key: Key, version: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of this key and version.

        If the cache does not have it, one thread calls ``make``; other threads wait for its value or its error.
        """
        with self._lock:
            if (value := self._find(key, version)) is not None:
                return value
            known = self._flights.get((key, version))
            flight = known or self._flights.setdefault((key, version), Future())
        if known is not None:
            return known.result()
        try:
            flight.set_result(self.put(key, version, make()))
        except BaseException as error:
            flight.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[key, version]
        return flight.result()

    def _find(self, key: Key, version: Hashable) -> Value | None:
        found_version, value = self._entries.get(key, (None, None))
        if value is None or found_version != version:
            return None
        self._entries.move_to_end(key)
        return value


class CachesByOwner(Generic[Cache]):
    """A cache for each owner, made at its first use. It ends when nothing else refers to its owner. Thread safe.

    Args:
        make: Makes an empty cache, whose values must not refer to the owner.
    """

    def __init__(self, make: Callable[[], Cache]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._caches: weakref.WeakKeyDictionary[object, Cache] = weakref.WeakKeyDictionary()

    def of(self, owner: object) -> Cache:
        """Return the cache of an owner."""
        with self._lock:
            if (found := self._caches.get(owner)) is None:
                found = self._caches[owner] = self._make()
            return found

    def all(self) -> list[Cache]:
        """Return the caches of the owners that still exist."""
        with self._lock:
            return list(self._caches.values())
