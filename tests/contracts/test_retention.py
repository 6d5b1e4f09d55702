"""Pruning of old events and slates, on SQLite and PostgreSQL."""

import datetime as dt

from service.domain.events import Event, EventType
from service.domain.feeds import FallbackReason, Slate, SlateItem
from service.domain.papers import Paper
from service.storage import SqlStore
from service.storage.retention import Pruned, prune

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def slate(slate_id: str, age_days: int) -> Slate:
    """Return two items with their features."""
    items = (SlateItem(1, "p0", 1.0), SlateItem(2, "p1", 0.5))
    created_at = NOW - age_days * DAY
    return Slate(
        slate_id, "ada", ("d",), "m", FallbackReason.NONE, created_at, created_at, "h", 0, items, "", b"12345678"
    )


def fill(store: SqlStore, slate_ages: list[int]) -> None:
    """Store an event of each type of 1 and of 100 days ago, and slates of the given ages in days."""
    with store.write() as tx:
        tx.papers.upsert([Paper("p0", "x")], NOW)
        for age_days in (1, 100):
            events = [Event(f"{t.value}-{age_days}", "ada", "p0", t) for t in EventType]
            tx.users.record(events, NOW - age_days * DAY)
        for number, age_days in enumerate(slate_ages):
            tx.slates.add(slate(f"s{number:04}", age_days))


def test_nothing_is_forgotten_unasked(sql_store: SqlStore) -> None:
    """Without limits nothing is deleted."""
    fill(sql_store, [1, 1000])

    assert prune(sql_store, NOW) == Pruned(0, 0, 0)


def test_old_events_without_meaning_go(sql_store: SqlStore) -> None:
    """Old clicks and impressions are deleted; events that decide about feeds stay, and so does the user's version."""
    fill(sql_store, [])
    with sql_store.read() as tx:
        before = tx.users.find_state("ada")

    assert prune(sql_store, NOW, events_days=30) == Pruned(events=2, slates=0, features=0)
    with sql_store.read() as tx:
        assert tx.users.find_state("ada") == before
        assert len(list(tx.users.events("ada"))) == 2 * len(EventType) - 2


def test_old_slates_go_and_older_features_before_them(sql_store: SqlStore) -> None:
    """Slates and features have separate age limits; a second run deletes nothing."""
    fill(sql_store, [1, 10, 10, 100])

    assert prune(sql_store, NOW, slates_days=30, features_days=5) == Pruned(events=0, slates=1, features=2)
    assert prune(sql_store, NOW, slates_days=30, features_days=5) == Pruned(0, 0, 0)
    with sql_store.read() as tx:
        young, old = (tx.slates.find(slate_id, with_features=True) for slate_id in ("s0000", "s0001"))
        assert tx.slates.find("s0003") is None
    assert young is not None
    assert old is not None
    assert (young.features, old.features) == (b"12345678", b"")
    assert young.items == old.items


def test_many_rows_go_in_batches(sql_store: SqlStore) -> None:
    """More rows than one transaction takes are all found, even with equal times."""
    fill(sql_store, [10] * 1_100)

    assert prune(sql_store, NOW, features_days=5).features == 1_100
    assert prune(sql_store, NOW, slates_days=5).slates == 1_100
