"""The store: hands out transactions, and opens nothing before the first one."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, select

from mailer.storage.engine import BUSY_TIMEOUT_SECONDS, Engines, mapped_errors, open_engines
from mailer.storage.tables import installation


class MailStore:
    """The mailer's database; one per process, never carried over a fork."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one moment and refuses to write."""
        with mapped_errors(), self._engines.reader.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in one transaction: all of it or nothing. Never one inside another in the same thread."""
        with mapped_errors(), self._engines.writer.begin() as connection:
            yield connection

    def signing_key(self) -> bytes:
        """The installation's key, made with its first tables."""
        with self.read() as connection:
            return bytes(connection.execute(select(installation.c.signing_key)).scalar_one())

    def dispose(self) -> None:
        """Closes all connections; the store opens new ones if it is used again."""
        self._engines.dispose()


def open_store(url: str, *, pool_size: int = 8, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> MailStore:
    """The store at ``sqlite:///path`` or ``postgresql://...``; does not connect and does not check the schema.

    Raises:
        InvalidField: The URL names another kind of database.
    """
    return MailStore(open_engines(url, pool_size=pool_size, busy_timeout_seconds=busy_timeout_seconds))
