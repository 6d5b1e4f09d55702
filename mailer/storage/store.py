"""The mailer's store, which opens transactions. It connects when the first transaction begins."""

import contextlib
from collections.abc import Iterator
from typing import Self

from sqlalchemy import Connection, select

from database.engine import BUSY_TIMEOUT_SECONDS, Engines, open_engines
from mailer.storage.schema import ERRORS
from mailer.storage.tables import installation


class MailStore:
    """The mailer's database. One per process; a forked process needs its own. A ``with`` block disposes of it."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only transaction, which sees one snapshot of the database."""
        with ERRORS.translated(), self._engines.read() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a writing transaction, committed as a whole or not at all. Calls in one thread must not nest."""
        with ERRORS.translated(), self._engines.write() as connection:
            yield connection

    def signing_key(self) -> bytes:
        """Return the key that signs links. The first migration makes it."""
        with self.read() as connection:
            return bytes(connection.execute(select(installation.c.signing_key)).scalar_one())

    def connections(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of connections (in use, idle) of each pool by name."""
        return self._engines.connections()

    def dispose(self) -> None:
        """Close all connections. The store opens new ones if it is used again."""
        self._engines.dispose()


def open_store(url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> MailStore:
    """Return the store at ``sqlite:///path`` or ``postgresql://...``. It does not connect or check the schema.

    Raises:
        InvalidField: The URL names another kind of database.
    """
    return MailStore(
        open_engines(
            url, ERRORS, application="paperfeed-mailer", pool_size=8, busy_timeout_seconds=busy_timeout_seconds
        )
    )
