"""The store, which opens transactions. It connects when the first transaction begins."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

from sqlalchemy import Connection, Select, bindparam, exists, literal, select, true

from database.engine import BUSY_TIMEOUT_SECONDS, Engines, open_engines
from database.statements import rows_in
from service.app.ports import (
    AuditStore,
    DigestStore,
    KeyStore,
    LedgerStore,
    LibraryStore,
    ModelStore,
    PaperStore,
    PrecomputedStore,
    SignalStore,
    SlateStore,
    StatisticsStore,
    UserStore,
    Versions,
)
from service.storage.callers.audit import SqlAudit
from service.storage.callers.keys import SqlKeys
from service.storage.digests import VERSION_OF_NEWEST, VERSION_OF_ONE, SqlDigests
from service.storage.errors import ERRORS
from service.storage.history.ledger import SqlLedger
from service.storage.outage import OutageLog
from service.storage.papers import SqlPapers
from service.storage.registry.models import SqlModels
from service.storage.signals import MARK, SqlSignals
from service.storage.slates import SqlPrecomputed, SqlSlates
from service.storage.statistics import SqlStatistics
from service.storage.synced.libraries import SqlLibraries
from service.storage.tables import installation, precomputed_slates, users
from service.storage.users import SqlUsers


def _versions_statement(digest: Select[tuple[str, int, object]]) -> Select[tuple[object, ...]]:
    """Return one statement for all versions: each statement costs as much as ranking twenty papers."""
    found = digest.subquery()
    one_row = select(literal(1).label("one")).subquery()
    has_precomputed = (
        select(precomputed_slates.c.user_id)
        .where(
            precomputed_slates.c.user_id == bindparam("user_id"), precomputed_slates.c.digest_id == found.c.digest_id
        )
        .correlate(found)
        .exists()
    )
    return select(
        select(users.c.version).where(users.c.user_id == bindparam("user_id")).scalar_subquery(),
        found.c.digest_id,
        found.c.version,
        found.c.date,
        *MARK,
        has_precomputed,
    ).select_from(one_row.outerjoin(found, true()))


_USERS = select(
    users.c.user_id,
    users.c.version,
    exists()
    .where(precomputed_slates.c.user_id == users.c.user_id, precomputed_slates.c.digest_id == bindparam("digest_id"))
    .label("has_precomputed"),
)
_VERSIONS_WITH_ONE = _versions_statement(VERSION_OF_ONE)
_VERSIONS_WITH_NEWEST = _versions_statement(VERSION_OF_NEWEST)


class SqlTransaction:
    """``service.app.ports.Transaction`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.papers: PaperStore = SqlPapers(connection)
        self.digests: DigestStore = SqlDigests(connection)
        self.users: UserStore = SqlUsers(connection)
        self.ledger: LedgerStore = SqlLedger(connection)
        self.slates: SlateStore = SqlSlates(connection)
        self.signals: SignalStore = SqlSignals(connection)
        self.precomputed: PrecomputedStore = SqlPrecomputed(connection)
        self.statistics: StatisticsStore = SqlStatistics(connection)
        self.keys: KeyStore = SqlKeys(connection)
        self.audit: AuditStore = SqlAudit(connection)
        self.models: ModelStore = SqlModels(connection)
        self.libraries: LibraryStore = SqlLibraries(connection)

    def versions(self, user_id: str, digest_id: str) -> Versions:
        statement = _VERSIONS_WITH_ONE if digest_id else _VERSIONS_WITH_NEWEST
        parameters = {"user_id": user_id, "digest_id": digest_id} if digest_id else {"user_id": user_id}
        row: Any = self._connection.execute(statement, parameters).one()
        user, found_id, version, date, changes, sequence, has_precomputed = row
        digest = None if found_id is None else (found_id, version, date)
        return Versions(user, digest, (changes, sequence), bool(has_precomputed))

    def versions_of(self, user_ids: Sequence[str], digest_id: str) -> list[Versions]:
        first = self.versions(user_ids[0], digest_id)
        if len(user_ids) == 1:
            return [first]
        digest = {"digest_id": first.digest[0] if first.digest else ""}
        rows = {row.user_id: row for row in rows_in(self._connection, _USERS, users.c.user_id, user_ids, digest)}
        found = [rows.get(user_id) for user_id in user_ids]
        return [
            replace(first, user=row.version, has_precomputed=bool(row.has_precomputed))
            if row
            else replace(first, user=None, has_precomputed=False)
            for row in found
        ]


class SqlStore:
    """``service.app.ports.Store`` on SQLite or PostgreSQL. One per process; a forked process needs its own.

    A ``with`` block disposes of it at the end.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._reads = OutageLog("read", engines.reader.url)
        self._writes = OutageLog("write", engines.writer.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        with self._reader() as connection:
            yield SqlTransaction(connection)

    @contextlib.contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        """See ``Store.write``. On SQLite a nested call in one thread waits for the outer one until it times out."""
        with self.connection() as connection:
            yield SqlTransaction(connection)

    def page_token_key(self) -> bytes:
        with self._reader() as connection:
            return bytes(connection.execute(select(installation.c.page_token_key)).scalar_one())

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """Open a writing transaction as a bare connection, for maintenance that is no use case."""
        with self._writes.transaction(), self._engines.write(self._writes.began) as connection:
            yield connection

    @property
    def problem(self) -> str:
        """Why transactions fail at present, or have been waiting for a second or more; empty if none does."""
        return self._writes.problem() or self._reads.problem()

    def connections(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of connections (in use, idle) of each pool by name."""
        return self._engines.connections()

    def dispose(self) -> None:
        """Close all connections. The store opens new ones if it is used again."""
        self._engines.dispose()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Connection]:
        with self._reads.transaction(), self._engines.read() as connection:
            self._reads.began()
            yield connection


def open_store(
    url: str,
    *,
    pool_size: int = 16,
    busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
    statement_timeout_seconds: float | None = None,
) -> SqlStore:
    """Return the store at ``sqlite:///path`` or ``postgresql://...``. It does not connect or check the schema.

    Args:
        pool_size: Reading connections to keep open; if all are in use, up to as many more are opened.
        busy_timeout_seconds: How long to wait for a lock or a connection before StorageUnavailable.
        statement_timeout_seconds: How long one statement may take on PostgreSQL before StorageUnavailable; None for no
            limit.

    Raises:
        InvalidField: The URL names another kind of database.
    """
    return SqlStore(
        open_engines(
            url,
            ERRORS,
            application="paperfeed",
            pool_size=pool_size,
            busy_timeout_seconds=busy_timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
        )
    )
