"""What holds when a change meets another that is not committed yet, on each engine."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from service.app.ports import Store
from service.domain.events import EventType
from service.storage import open_store
from service.storage.engine import parse_url
from tests.contracts.samples import NOW, add_papers, event, record

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
