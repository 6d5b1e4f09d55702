"""The contract of stores for precomputed slates, on SQLite and PostgreSQL."""

import datetime as dt
from dataclasses import replace

import pytest

from service.app.ports import Store
from service.app.ranking.precomputed import Precomputed, PrecomputedUse
from service.app.ranking.serving import Serving
from service.domain.feeds import FallbackReason, PrecomputedSlate, Reason, ReasonType, SlateItem
from service.domain.papers import Digest
from service.storage import SqlStore
from service.storage.retention import prune
from tests.contracts.samples import CLOCK, HOUR, NOW, ON_SQLITE, add_papers, event, record

ITEMS = (
    SlateItem(1, "p0", 0.25, (Reason(ReasonType.SIMILAR_TO_LIKED, "A title", "p9", 0.5),), 0.9),
    SlateItem(2, "p1", -1.5),
)
_FACTS = ("ada", "d1", 1, 4, "m1", "f1", 0.1, FallbackReason.NONE, NOW, 2)
SLATE = PrecomputedSlate(*_FACTS, is_whole=True, items=ITEMS, features=b"\x00\x00\x80?" * 6)


def put(store: Store, *slates: PrecomputedSlate) -> int:
    with store.write() as tx:
        return tx.precomputed.put(slates)


def find(store: Store, user_id: str = "ada", digest_id: str = "d1") -> PrecomputedSlate | None:
    with store.read() as tx:
        return tx.precomputed.find(user_id, digest_id)


def test_comes_back_whole(store: Store) -> None:
    """A slate is found by user and digest with all its items, and a new slate replaces it."""
    add_papers(store, 2)
    record(store, event())
    newer = replace(SLATE, digest_version=5, items=ITEMS[:1], is_whole=False)
    bare = replace(SLATE, digest_id="d2", features=b"")

    assert put(store, SLATE) == 1
    assert find(store) == SLATE
    assert put(store, newer) == put(store, bare) == 1

    assert find(store) == newer
    assert find(store, digest_id="d2") == bare
    assert find(store, "bob") is None


def test_versions_include_precomputed_slates(store: Store) -> None:
    """The versions of a user and a digest, named or newest, say whether they have a precomputed slate."""
    add_papers(store, 2)
    record(store, event(), event(paper_id="p1", user_id="bob"))
    with store.write() as tx:
        tx.digests.save(Digest(digest_id="d1", date=NOW.date(), paper_ids=("p0", "p1")), NOW)
    put(store, SLATE, replace(SLATE, user_id="bob", digest_id="d2"))

    with store.read() as tx:
        known = {
            (user, digest)
            for user in ("ada", "bob")
            for digest in ("d1", "")
            if tx.versions(user, digest).has_precomputed
        }
        assert known == {("ada", "d1"), ("ada", "")}
        assert not tx.versions("ada", "d2").has_precomputed


@pytest.mark.parametrize("digest", ["d1", "", "nope"])
def test_versions_of_several_users_are_those_of_each(store: Store, digest: str) -> None:
    """Users who are unknown or named twice are among them."""
    add_papers(store, 2)
    record(store, event(), event(paper_id="p1", user_id="bob"))
    users = ["ada", "bob", "nobody", "ada"]
    with store.read() as tx:
        assert [each.user for each in tx.versions_of(users, digest)] == [1, 1, None, 1]
    with store.write() as tx:
        tx.digests.save(Digest(digest_id="d1", date=NOW.date(), paper_ids=("p0", "p1")), NOW)
    put(store, SLATE)

    with store.read() as tx:
        assert tx.versions_of(users, digest) == [tx.versions(user, digest) for user in users]


def test_slates_of_another_user_version_are_dropped(store: Store) -> None:
    """A slate of an earlier version of the user, or of a deleted user, is not stored."""
    add_papers(store, 2)
    record(store, event())
    record(store, event(paper_id="p1", user_id="bob"))

    stored = put(store, replace(SLATE, user_version=0), replace(SLATE, user_id="bob"), replace(SLATE, user_id="gone"))

    assert stored == 1
    assert find(store) is None
    assert find(store, "bob") is not None


def test_goes_with_its_user(store: Store) -> None:
    """Deleting a user deletes the user's precomputed slates."""
    add_papers(store, 2)
    record(store, event())
    put(store, SLATE)

    with store.write() as tx:
        tx.users.delete("ada", CLOCK)

    assert find(store) is None


def test_old_ones_are_pruned(store: SqlStore) -> None:
    """Pruning of slates deletes precomputed slates too."""
    add_papers(store, 2)
    record(store, event(), event(paper_id="p1", user_id="bob"))
    put(store, SLATE, replace(SLATE, user_id="bob", as_of=NOW + HOUR))

    assert prune(store, NOW + HOUR * 24 + HOUR / 2, slates_days=1).slates == 1

    assert find(store) is None
    assert find(store, "bob") is not None


@ON_SQLITE
@pytest.mark.parametrize(
    ("made_at", "explored", "explores", "fits"),
    [
        (NOW, False, False, True),
        (NOW, True, True, True),
        (NOW, True, False, False),
        (NOW + HOUR, False, False, False),
        (NOW - 25 * HOUR, False, False, False),
    ],
)
def test_fits(store: Store, made_at: dt.datetime, explored: bool, explores: bool, fits: bool) -> None:
    """A slate is not served if it is from the future, too old, or explores on a server that does not."""
    add_papers(store, 2)
    record(store, event())
    with store.write() as tx:
        tx.digests.save(Digest(digest_id="d1", date=NOW.date(), paper_ids=("p0", "p1")), NOW)
    items = ITEMS if explored else tuple(item._replace(action_propensity=1.0) for item in ITEMS)
    with store.read() as tx:
        versions = tx.versions("ada", "d1")
    assert versions.digest is not None
    made = replace(SLATE, model_version="cosine", as_of=made_at, items=items, digest_version=versions.digest[1])
    put(store, made)
    rule = Precomputed(PrecomputedUse.ALWAYS, 24 * HOUR, explores=explores)

    with store.read() as tx:
        serving, versions = Serving("mini", None, "", 1), tx.versions("ada", "d1")
        found = rule.find(tx, serving, versions, "ada", diversity=made.diversity, page_size=2, now=NOW)

    assert (found is not None) == fits
