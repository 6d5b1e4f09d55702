"""The store: hands out transactions, and opens nothing before the first one."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, select

from service.app.ports import Versions
from service.storage.digests import SqlDigests
from service.storage.engine import BUSY_TIMEOUT_SECONDS, Engines, open_engines
from service.storage.outage import DatabaseFile, Outage
from service.storage.papers import SqlPapers
from service.storage.precomputed import SqlPrecomputed
from service.storage.signals import SqlSignals
from service.storage.slates import SqlSlates
from service.storage.tables import installation
from service.storage.users import SqlUsers
from service.storage.versions import find_versions

_PAGE_TOKEN_KEY = select(installation.c.page_token_key)


class SqlTransaction:
    """One connection in one transaction, seen as six stores."""

    __slots__ = ("_connection", "digests", "papers", "precomputed", "signals", "slates", "users")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.papers = SqlPapers(connection)
        self.digests = SqlDigests(connection)
        self.users = SqlUsers(connection)
        self.slates = SqlSlates(connection)
        self.signals = SqlSignals(connection)
        self.precomputed = SqlPrecomputed(connection)

    def versions(self, user_id: str, digest_id: str) -> Versions:
        return find_versions(self._connection, user_id, digest_id)


class SqlStore:
    """``service.app.ports.Store`` on SQLite or PostgreSQL; one per process, never carried over a fork."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._file = DatabaseFile(engines.writer.url)
        self._reading = Outage("read", engines.reader.url)
        self._writing = Outage("write", engines.writer.url)
        self._page_token_key: bytes | None = None

    @contextlib.contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        with self._reader() as connection:
            yield SqlTransaction(connection)

    @contextlib.contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        """See ``Store.write``. On SQLite a second one in the same thread waits for the first, in vain."""
        with self.connection() as connection:
            yield SqlTransaction(connection)

    def page_token_key(self) -> bytes:
        if self._page_token_key is None:
            with self._reader() as connection:
                self._page_token_key = bytes(connection.execute(_PAGE_TOKEN_KEY).scalar_one())
        return self._page_token_key

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A writing transaction as a bare connection, for the maintenance that belongs to no use case."""
        with self._writing.told():
            self._file.check()
            with self._engines.writer.begin() as connection:
                yield connection

    def dispose(self) -> None:
        """Closes all connections; the store opens new ones if it is used again."""
        self._engines.dispose()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Connection]:
        with self._reading.told():
            # Before a new connection would make an empty file in the place of one that is gone.
            self._file.check()
            with self._engines.reader.connect() as connection:
                yield connection


def open_store(url: str, *, pool_size: int = 16, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> SqlStore:
    """The store at ``sqlite:///path`` or ``postgresql://...``; does not connect and does not check the schema.

    Args:
        pool_size: Reading connections kept open; as many again are opened when all are in use.
        busy_timeout_seconds: How long to wait for a lock or a connection before StorageUnavailable.

    Raises:
        InvalidField: The URL names another kind of database.
    """
    return SqlStore(open_engines(url, pool_size=pool_size, busy_timeout_seconds=busy_timeout_seconds))
