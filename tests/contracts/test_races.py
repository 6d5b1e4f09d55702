"""What holds when a change meets another that is not committed yet, on each engine."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from service.app.ports import Store
from service.app.profiles import Profiles
from service.bootstrap import SystemClock
from service.domain.events import EventType, Preferences
from service.storage import open_store
from service.storage.engine import parse_url
from tests.contracts.samples import NOW, ON_POSTGRES, add_papers, event, paper, record, slate

T = TypeVar("T")
_WAITING = text("SELECT 1 FROM pg_stat_activity WHERE application_name = :name AND wait_event_type = 'Lock'")


def start(url: str, call: Callable[[Store], T]) -> "Future[T]":
    """Runs the call on a store of its own; returns once it waits for a transaction that is open, or has ended."""
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
    # On SQLite there is nothing to see and nothing to wait for: no writer begins before the one before it has ended.
    if is_postgres:
        engine = create_engine(parse_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            # The racer gives up by itself when its lock timeout is over.
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
        return tx.users.delete("ada", NOW)


def mute_gans(store: Store) -> Preferences:
    profiles = Profiles(store, SystemClock())
    return profiles.update_preferences("ada", Preferences(muted_keywords=("gan",)), ["muted_keywords"])


class TestReturningUsers:
    def test_who_comes_back_while_being_deleted(self, store: Store, store_url: str) -> None:
        """A user whose next event waits for the deletion starts empty, above every version of before."""
        add_papers(store, 2)
        record(store, event())
        record(store, event(EventType.DISLIKE))

        with store.write() as tx:
            tx.users.delete("ada", NOW)
            returning = start(store_url, lambda other: record(other, event(paper_id="p1")))
        assert returning.result() == [True]

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert state.version > 2
        assert [like.paper_id for like in state.likes] == ["p1"]


class TestSlates:
    def test_a_slate_that_is_stored_during_the_deletion(self, store: Store, store_url: str) -> None:
        """Deleting a user waits for a slate of the user that is being stored, and takes it along."""
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            assert tx.slates.add(slate(), of_known_user=True)
            deleting = start(store_url, delete_ada)
        assert deleting.result()

        with store.read() as tx:
            assert tx.slates.find("s1") is None

    def test_a_slate_that_comes_after_the_deletion(self, store: Store, store_url: str) -> None:
        """A slate waits for the deletion of its user, and is then not stored."""
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            tx.users.delete("ada", NOW)
            adding = start(store_url, add_slate)
        assert not adding.result()

        with store.read() as tx:
            assert tx.slates.find("s1") is None

    @ON_POSTGRES
    def test_slates_wait_for_deletions_alone(self, store: Store) -> None:
        """Neither an event of the user nor a change of a liked paper holds up a slate."""
        add_papers(store, 1)
        record(store, event())

        with store.write() as tx:
            tx.users.record([event(EventType.CLICK)], NOW)
            tx.papers.upsert([paper(0, title="Another title")], NOW)
            assert add_slate(store)


class TestPreferences:
    def test_two_updates_of_different_lists(self, store: Store, store_url: str) -> None:
        """An update that waits for another of the same user keeps what that one has written."""
        with store.write() as tx:
            tx.users.save_preferences("ada", Preferences(followed_topics=("graphs",)), NOW)
            muting = start(store_url, mute_gans)
        assert muting.result() == Preferences(followed_topics=("graphs",), muted_keywords=("gan",))

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert state.preferences == muting.result()
