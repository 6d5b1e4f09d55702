"""Cached signals of candidates equal those in the database, on each engine."""

import numpy as np
import pytest

from service.app.ports import Store
from service.app.ranking import signals
from service.app.ranking.candidates import Candidates
from service.app.ranking.serving import Serving
from service.app.ranking.signals import KeptDigest, user_code, with_signals
from service.domain.events import EventType
from tests.contracts.samples import CLOCK, HOUR, NOW, add_papers, event, paper, record

KINDS = (EventType.LIKE, EventType.SAVE, EventType.CLICK, EventType.IMPRESSION, EventType.UNLIKE)


def candidates_of(store: Store, *paper_ids: str) -> Candidates:
    with store.read() as tx:
        return Candidates.load(tx, Serving("mini", None, "", 1), paper_ids)


def assert_current(digest: KeptDigest, store: Store) -> Candidates:
    """Check that the cached signals equal newly read ones, and return them."""
    with store.read() as tx:
        kept, fresh = digest.with_signals(tx, tx.versions("", "").mark), with_signals(tx, digest.candidates)
    found, wanted = kept.matrix.columns.signals, fresh.matrix.columns.signals
    assert found is not None
    assert wanted is not None
    for name in ("snapshot_at", "snapshot_upvotes", "event_starts", "event_at", "event_weights", "event_users"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    return kept


@pytest.mark.parametrize("many", [3, 2_000])
def test_follows_every_change(store: Store, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """After events, upvotes, deleted users and long pauses, the cached signals equal those in the database."""
    monkeypatch.setattr(signals, "MANY_EVENTS", many)
    names, rng = add_papers(store, 6), np.random.default_rng(1)
    digest = KeptDigest(candidates_of(store, *names[:4]))
    assert_current(digest, store)
    for step in range(25):
        user = f"u{step % 5}"
        for number in range(int(rng.integers(0, 6))):
            at = NOW + HOUR * int(rng.integers(-50, 50)) if rng.random() < 0.8 else None
            name = names[int(rng.integers(6))]
            record(store, event(KINDS[int(rng.integers(5))], name, at=at, user_id=user, event_id=f"{step}-{number}"))
        with store.write() as tx:
            if rng.random() < 0.3:
                tx.papers.upsert([paper(int(rng.integers(6)), upvotes=step)], NOW + HOUR * step)
            if rng.random() < 0.2:
                tx.users.delete(user, CLOCK)
        assert_current(digest, store)


def test_nothing_new_nothing_made(store: Store) -> None:
    """While no candidate changes, the same object is returned, whatever else is recorded."""
    add_papers(store, 3)
    digest = KeptDigest(candidates_of(store, "p0", "p1"))
    record(store, event(paper_id="p1"))
    first = assert_current(digest, store)
    record(store, event(paper_id="p2"), event(EventType.IMPRESSION, "p0"))
    assert assert_current(digest, store) is first
    record(store, event(EventType.CLICK, "p0"))
    assert assert_current(digest, store) is not first


def test_an_older_transaction_changes_nothing(store: Store) -> None:
    """A transaction that began before the last events leaves the cache as it is, so that nothing counts twice."""
    add_papers(store, 2)
    digest = KeptDigest(candidates_of(store, "p0", "p1"))
    with store.read() as tx:
        old_mark = tx.versions("", "").mark
    record(store, event(paper_id="p0"), event(paper_id="p1", user_id="bob"))
    newest = assert_current(digest, store)

    with store.read() as tx:
        seen = digest.with_signals(tx, old_mark)

    assert seen is newest
    assert assert_current(digest, store) is newest


def test_codes_of_users() -> None:
    """A user's code is the same in every process, and never 0."""
    assert user_code("ada") == user_code("ada") != user_code("bob")
    assert user_code("ada") != 0
    assert -(2**63) <= user_code("ada") < 2**63
