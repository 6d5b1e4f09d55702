"""The cache of versioned values."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.app.cache import VersionedCache


def test_one_thread_makes_a_value_for_all() -> None:
    """Threads that ask for a missing value at the same time get the one that the first of them makes."""
    cache: VersionedCache[str, object] = VersionedCache(10, lambda _: 1)
    makers, all_wait = [], threading.Barrier(8)

    def make() -> object:
        makers.append(threading.get_ident())
        threading.Event().wait(0.3)
        return object()

    def ask(_: int) -> object:
        all_wait.wait()
        return cache.get("a", 1, make)

    with ThreadPoolExecutor(8) as threads:
        values = list(threads.map(ask, range(8)))

    assert len(makers) == 1
    assert len(set(map(id, values))) == 1
    assert cache.get("a", 1, make) is values[0]
    assert cache.get("a", 2, make) is not values[0]


def test_a_failure_is_not_kept() -> None:
    """An error of making a value reaches its callers, and the next call makes the value again."""
    cache: VersionedCache[str, int] = VersionedCache(10, lambda _: 1)

    with pytest.raises(ZeroDivisionError):
        cache.get("a", 1, lambda: 1 // 0)

    assert cache.get("a", 1, lambda: 7) == 7


def test_least_recently_used_values_go_first() -> None:
    """Values are dropped by use when all together are too large; the one used last always stays."""
    cache: VersionedCache[str, int] = VersionedCache(10, lambda size: size)
    for key, size in (("a", 4), ("b", 4)):
        cache.put(key, 1, size)
    cache.find("a", 1)
    cache.put("c", 1, 5)

    assert [cache.find(key, 1) for key in "abc"] == [4, None, 5]
    cache.put("d", 1, 99)
    assert [cache.last(key) for key in "abcd"] == [None, None, None, 99]
