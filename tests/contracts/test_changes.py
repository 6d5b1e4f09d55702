"""The logs by which caches of vectors and signals are kept up to date, on each engine."""

import datetime as dt

import numpy as np

from service.app.ports import Store
from service.domain.events import EventType
from service.domain.states import Activity
from service.storage import SqlStore
from service.storage.retention import prune
from tests.contracts.samples import CLOCK, HOUR, NOW, add_papers, embed, event, in_threads, paper, record

LIKE, CLICK = EventType.LIKE, EventType.CLICK


def mark(store: Store) -> tuple[int, int]:
    with store.read() as tx:
        return tx.versions("", "").mark


def vector_version(store: Store, encoder: str = "mini") -> int:
    with store.read() as tx:
        return tx.papers.vector_version(encoder)


def changed_vectors(store: Store, since: int, encoder: str = "mini") -> set[str]:
    with store.read() as tx:
        return set(tx.papers.vectors_changed_since(encoder, since))


def test_vectors_that_come_change_and_go(store: Store) -> None:
    """New vectors, changed texts and deleted papers are logged once, only for their encoder."""
    add_papers(store, 4)
    assert vector_version(store) == 0
    embed(store, ["p0", "p1", "p2"])
    first = vector_version(store)
    assert changed_vectors(store, 0) == {"p0", "p1", "p2"}
    assert changed_vectors(store, first) == set()
    with store.write() as tx:
        tx.papers.upsert([paper(0, abstract="Another text.")], NOW)
        tx.papers.upsert([paper(3, abstract="A text that no vector was made of.")], NOW)
    with store.write() as tx:
        tx.papers.delete("p1")
    assert changed_vectors(store, first) == {"p0", "p1"}
    second = vector_version(store)
    embed(store, ["p0"])
    assert changed_vectors(store, second) == {"p0"}
    assert vector_version(store, "other") == 0


def test_no_version_comes_twice(store: Store) -> None:
    """Deleting the paper that changed last does not decrease the version."""
    add_papers(store, 2)
    embed(store, ["p0"])
    embed(store, ["p1"])
    before = vector_version(store)
    with store.write() as tx:
        tx.papers.delete("p1")
    assert vector_version(store) > before


def test_parts_are_all_vectors(store: Store) -> None:
    """The parts together are all vectors in order of ids; an encoder without vectors has no part."""
    add_papers(store, 5)
    embed(store, ["p3", "p0", "p4"])
    with store.read() as tx:
        parts = list(tx.papers.vector_parts("mini"))
        ids, vectors = tx.papers.all_vectors("mini")
        assert list(tx.papers.vector_parts("other")) == []
    assert [name for part, _ in parts for name in part] == ids == ["p0", "p3", "p4"]
    assert np.array_equal(np.concatenate([part for _, part in parts]), vectors)


def test_signals_of_papers(store: Store) -> None:
    """The signals of a paper are its snapshots and its heating events with known times, in order of arrival."""
    add_papers(store, 3, upvotes=4)
    with store.write() as tx:
        tx.papers.upsert([paper(0, upvotes=9)], NOW + HOUR)
    record(
        store,
        event(LIKE, "p0"),
        event(EventType.IMPRESSION, "p0"),
        event(EventType.UNLIKE, "p0", at=NOW + HOUR),
        event(CLICK, "p0", user_id="bob", at=NOW - HOUR),
        event(CLICK, "p0", user_id="eve", at=None),
    )
    with store.read() as tx:
        found = tx.signals.find_many(["p0", "p1", "nope"])
    assert found["p0"].events == (("ada", LIKE, NOW), ("bob", CLICK, NOW - HOUR))
    assert sorted(found["p0"].snapshots) == [(NOW, 4), (NOW + HOUR, 9)]
    assert found["p1"] == Activity(snapshots=((NOW, 4),))
    assert set(found) == {"p0", "p1"}


def test_first_upvotes_were_seen_with_the_paper(store: Store) -> None:
    """Upvotes of a new paper count from when it was first seen; later changes count from now."""
    seen = NOW - dt.timedelta(days=7)
    with store.write() as tx:
        tx.papers.upsert([paper(0, upvotes=4, first_seen_at=seen), paper(1, upvotes=1, first_seen_at=NOW + HOUR)], NOW)
        tx.papers.upsert([paper(0, upvotes=5)], NOW)
        found = tx.signals.find_many(["p0", "p1"])
    assert sorted(found["p0"].snapshots) == [(seen, 4), (NOW, 5)]
    assert found["p1"].snapshots == ((NOW, 1),)


def test_new_events_are_told_in_order(store: Store) -> None:
    """Events that were recorded after a mark are read oldest first, up to a limit."""
    add_papers(store, 2)
    record(store, event(LIKE, "p0"))
    version, sequence = mark(store)
    record(store, event(CLICK, "p1"), event(EventType.IMPRESSION, "p1"), event(CLICK, "p0"))
    with store.read() as tx:
        assert tx.signals.events_since(sequence, limit=9) == [
            ("p1", ("ada", CLICK, NOW)),
            ("p0", ("ada", CLICK, NOW)),
        ]
        assert len(tx.signals.events_since(sequence, limit=1)) == 1
        assert tx.versions("", "").mark[0] == version
        assert tx.versions("", "").mark[1] > sequence


def test_what_must_be_read_anew(sql_store: SqlStore) -> None:
    """New upvotes, deleted users and pruned clicks log their papers as changed; a repeated write logs none."""
    add_papers(sql_store, 4)
    record(
        sql_store, event(LIKE, "p0"), event(CLICK, "p1"), event(EventType.IMPRESSION, "p2"), event(CLICK, "p3", at=NOW)
    )
    record(sql_store, event(CLICK, "p2", user_id="bob"), now=NOW + 100 * HOUR)
    version = mark(sql_store)[0]
    with sql_store.write() as tx:
        tx.papers.upsert([paper(2, upvotes=1)], NOW)
        tx.papers.upsert([paper(2, upvotes=1)], NOW)
    with sql_store.read() as tx:
        assert tx.signals.changed_since(version) == ["p2"]
    version = mark(sql_store)[0]
    prune(sql_store, NOW + 30 * HOUR, events_days=1)
    with sql_store.read() as tx:
        assert sorted(tx.signals.changed_since(version)) == ["p1", "p3"]
    version = mark(sql_store)[0]
    with sql_store.write() as tx:
        tx.users.delete("ada", CLOCK)
    with sql_store.read() as tx:
        assert tx.signals.changed_since(version) == ["p0"]
        assert set(tx.signals.find_many(["p0", "p2"])) == {"p2"}


def test_no_event_is_missed_between_writers(store: Store) -> None:
    """While many threads write, a cache that follows the marks reads every event exactly once."""
    add_papers(store, 1)
    seen: list[str] = []

    def write(name: str) -> None:
        for i in range(10):
            kind = EventType.IMPRESSION if i % 2 else CLICK
            record(store, event(kind, user_id=f"{name}{i}", event_id=f"{name}{i}"))

    def follow() -> None:
        sequence = 0
        for _ in range(60):
            with store.read() as tx:
                new = tx.versions("", "").mark[1]
                seen.extend(user for _, (user, _, _) in tx.signals.events_since(sequence, limit=1_000))
                sequence = new

    in_threads(lambda: write("a"), lambda: write("b"), lambda: write("c"), follow)
    with store.read() as tx:
        rest = [user for _, (user, _, _) in tx.signals.events_since(0, limit=1_000)]
    assert len(seen) == len(set(seen))
    assert len(rest) == 15
    assert set(seen) <= set(rest)
    # No event became visible behind a mark.
    assert seen == rest[: len(seen)]
