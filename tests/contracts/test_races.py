"""Changes that meet another change that is not committed yet, on each engine."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from database.engine import parse_url
from service.app.ports import Store, Transaction
from service.app.profiles import Profiles
from service.domain.events import DeletedUser, EventType, Preferences, user_id_hash
from service.storage import open_store
from tests.contracts.samples import (
    CLOCK,
    HOUR,
    NOW,
    ON_POSTGRES,
    FixedClock,
    add_papers,
    embed,
    event,
    in_threads,
    paper,
    record,
    slate,
)

T = TypeVar("T")
_WAITING = text("SELECT 1 FROM pg_stat_activity WHERE application_name = :name AND wait_event_type = 'Lock'")


def start(url: str, call: Callable[[Store], T]) -> "Future[T]":
    """Run the call on its own store. Return when it waits for an open transaction, or has ended."""
    parsed = make_url(url)
    is_postgres = parsed.get_backend_name() == "postgresql"
    name = f"racer-{secrets.token_hex(4)}"
    own = parsed.update_query_dict({"application_name": name} if is_postgres else {})

    def run() -> T:
        store = open_store(own.render_as_string(hide_password=False))
        try:
            return call(store)
        finally:
            store.dispose()

    threads = ThreadPoolExecutor(1)
    running = threads.submit(run)
    threads.shutdown(wait=False)
    # On SQLite a writer does not begin before the previous writer has ended, so there is nothing to wait for.
    if is_postgres:
        engine = create_engine(parse_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            # The call fails by itself when its lock timeout is over.
            while not running.done() and not _is_waiting(connection, name):
                time.sleep(0.01)
    return running


def _is_waiting(connection: Connection, name: str) -> bool:
    return connection.execute(_WAITING, {"name": name}).first() is not None


def add_slate(store: Store) -> bool:
    with store.write() as tx:
        return tx.slates.add(slate(), of_known_user=True)


def delete_ada(store: Store) -> bool:
    with store.write() as tx:
        return tx.users.delete("ada", CLOCK)


def mute_gans(store: Store) -> Preferences:
    return Profiles(store, CLOCK).update_preferences("ada", Preferences(muted_keywords=("gan",)), ["muted_keywords"])


def store_vector(tx: Transaction) -> None:
    text_hash = tx.papers.find_many(["p0"])["p0"].text_hash
    assert tx.papers.store_vectors("mini", {"p0": (text_hash, np.ones(4, np.float32))}) == 1


def change_title(tx: Transaction) -> None:
    tx.papers.upsert([paper(0, title="Another title")], NOW)


class Seen(NamedTuple):
    """The version of a profile that is built now, and its data of the paper."""

    version: int | None
    paper: tuple[str, bool]


def user_and_paper(store: Store) -> Seen:
    with store.read() as tx:
        title = tx.papers.find_many(["p0"])["p0"].title
        return Seen(tx.users.version("ada"), (title, "p0" in tx.papers.vectors(["p0"], "mini")))


class TestReturningUsers:
    def test_a_user_who_comes_back_during_the_deletion(self, store: Store, store_url: str) -> None:
        """A user whose next event waits for the deletion starts empty, above all earlier versions."""
        add_papers(store, 2)
        record(store, event())
        record(store, event(EventType.DISLIKE))

        with store.write() as tx:
            tx.users.delete("ada", CLOCK)
            returning = start(store_url, lambda other: record(other, event(paper_id="p1")))
        assert returning.result() == [True]

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert state.version > 2
        assert [like.paper_id for like in state.likes] == ["p1"]


class TestSlates:
    def test_a_slate_that_is_stored_during_the_deletion(self, store: Store, store_url: str) -> None:
        """Deleting a user waits for a slate of the user that is being stored, and deletes it."""
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            assert tx.slates.add(slate(), of_known_user=True)
            deleting = start(store_url, delete_ada)
        assert deleting.result()

        with store.read() as tx:
            assert tx.slates.find("s1") is None

    def test_a_slate_that_comes_after_the_deletion(self, store: Store, store_url: str) -> None:
        """A slate that waits for the deletion of its user is not stored."""
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            tx.users.delete("ada", CLOCK)
            adding = start(store_url, add_slate)
        assert not adding.result()

        with store.read() as tx:
            assert tx.slates.find("s1") is None

    @ON_POSTGRES
    def test_slates_wait_for_deletions_alone(self, store: Store) -> None:
        """A slate waits neither for an event of its user nor for a change of a liked paper."""
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            tx.users.record([event(EventType.CLICK)], NOW)
            tx.papers.upsert([paper(0, title="Another title")], NOW)
            assert add_slate(store)


class TestTombstones:
    @pytest.mark.parametrize("recording_user", ["ada", "bob"])
    def test_the_time_of_a_deletion_that_waits(self, store: Store, store_url: str, recording_user: str) -> None:
        """A deletion that waits gets a time after its wait, so that pollers that read from the last time on see it."""
        clock = FixedClock(NOW)
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            tx.users.record([event(EventType.CLICK, user_id=recording_user)], NOW)
            deleting = start(store_url, lambda other: Profiles(other, clock).delete("ada"))
            clock.time = polled_at = NOW + HOUR
        deleting.result()

        with store.read() as tx:
            found = tx.users.deleted(since=polled_at, after=None, limit=9)
        assert found == [DeletedUser(user_id_hash("ada"), polled_at)]


class TestPreferences:
    def test_two_updates_of_different_lists(self, store: Store, store_url: str) -> None:
        """An update that waits for another update of the same user keeps the other one's changes."""
        with store.write() as tx:
            tx.users.save_preferences("ada", Preferences(followed_topics=("graphs",)), NOW)
            muting = start(store_url, mute_gans)
        assert muting.result() == Preferences(followed_topics=("graphs",), muted_keywords=("gan",))

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert state.preferences == muting.result()


class TestChangedPapers:
    @pytest.mark.parametrize("change", [store_vector, change_title], ids=["vector", "title"])
    def test_a_like_of_a_paper_that_changes(
        self, store: Store, store_url: str, change: Callable[[Transaction], object]
    ) -> None:
        """No version of a user combines a like with an outdated text or vector."""
        add_papers(store, 1)

        with store.write() as tx:
            change(tx)
            liking = start(store_url, lambda other: record(other, event()))
            before = user_and_paper(store)
        assert liking.result() == [True]

        after = user_and_paper(store)
        assert before.paper != after.paper
        assert before.version != after.version

    @pytest.mark.parametrize("change", [store_vector, change_title], ids=["vector", "title"])
    def test_a_paper_that_changes_while_it_is_liked(
        self, store: Store, store_url: str, change: Callable[[Transaction], object]
    ) -> None:
        """If a paper changes while a like of it is in an open transaction, the user still gets a new version."""
        add_papers(store, 1)

        def write(other: Store) -> None:
            with other.write() as tx:
                change(tx)

        with store.write() as tx:
            tx.users.record([event()], NOW)
            changing = start(store_url, write)
        changing.result()

        assert user_and_paper(store).version == 2

    def test_likes_and_changes_do_not_block_each_other(self, store: Store, store_url: str) -> None:
        """Recording events of many papers and changing those papers wait for each other without a deadlock."""
        paper_ids = add_papers(store, 20)
        other = open_store(store_url)

        def like(name: str, order: list[str]) -> None:
            for i in range(8):
                user_id = f"{name}{i % 3}"
                record(store, *(event(paper_id=each, user_id=user_id, event_id=f"{name}-{i}-{each}") for each in order))

        def change() -> None:
            for i in range(8):
                with other.write() as tx:
                    tx.papers.upsert([paper(n, title=f"{n} for the time {i}") for n in reversed(range(20))], NOW)
                embed(other, paper_ids[::-1])

        in_threads(lambda: like("a", paper_ids), lambda: like("b", paper_ids[::-1]), change)

        with store.read() as tx:
            assert sum(tx.users.event_counts([f"{name}{i}" for name in "ab" for i in range(3)]).values()) == 320
        other.dispose()
