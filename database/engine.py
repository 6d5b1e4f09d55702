"""Engines for SQLite files and PostgreSQL databases, and the settings that each of their connections starts with."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from database.errors import Errors
from database.files import DatabaseFiles
from database.observed import trace_statements
from database.watch import ConnectionWatch

BUSY_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5
ANSWER_SECONDS = 3.0
"""Time beyond the limit of a statement in which the server must say that it has ended it."""
# Data that stay unacknowledged for this long mean that the server is gone.
TCP_TIMEOUT_MILLISECONDS = 30_000
# PostgreSQL returns times in the session's time zone. In any other zone, some moments of the years 1 and 9999 fall into
# a year that Python cannot represent.
USE_UTC = "SET TimeZone = 'UTC'"


@dataclass(frozen=True, slots=True)
class Engines:
    """Two engines on one database. The ``reader`` is read-only."""

    reader: Engine
    writer: Engine
    files: DatabaseFiles

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only transaction, which sees one snapshot of the database.

        Raises:
            unavailable: The SQLite files are not those that were opened.
        """
        with self.files.checked(self.reader, self.writer), self.reader.connect() as connection:
            self.files.opened()
            yield connection

    @contextlib.contextmanager
    def write(self, began: Callable[[], None] = lambda: None) -> Iterator[Connection]:
        """Open a writing transaction. It is committed at the end of the block, or rolled back if the block raises.

        Args:
            began: Called when the transaction has begun. On SQLite, the transaction begins when other writers have
                finished.

        Raises:
            unavailable: The SQLite files are not those that were opened, so that the transaction may be lost.
        """
        with self.files.checked(self.writer, self.reader), self.writer.begin() as connection:
            self.files.opened()
            began()
            yield connection

    def connections(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of connections (in use, idle) of each pool by name. PostgreSQL has one pool."""
        engines = {"writer": self.writer}
        if self.reader.pool is not self.writer.pool:
            engines["reader"] = self.reader
        pools = {name: engine.pool for name, engine in engines.items()}
        return {
            name: (pool.checkedout(), pool.checkedin()) for name, pool in pools.items() if isinstance(pool, QueuePool)
        }

    def dispose(self) -> None:
        """Close all connections."""
        self.reader.dispose()
        self.writer.dispose()
        self.files.closed()


def parse_url(url: str, invalid_url: Callable[[str], Exception] = ValueError) -> URL:
    """Return the parsed URL with the driver that we use.

    Raises:
        invalid_url: The URL names neither an SQLite file nor a PostgreSQL database. The text does not repeat the URL,
            which may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # ValueError: the port is not a number.
        raise invalid_url("is not a database URL (sqlite:///path or postgresql://...)") from None
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise invalid_url("must start with sqlite:/// or postgresql://")
    if parsed.database in {None, "", ":memory:"}:
        raise invalid_url("must name a file (sqlite:///path): several connections share it")
    return parsed


def open_engines(
    url: str,
    errors: Errors,
    *,
    application: str,
    pool_size: int,
    busy_timeout_seconds: float,
    statement_timeout_seconds: float | None = None,
) -> Engines:
    """Return the engines of a database. No connection is opened yet.

    Args:
        application: Name that PostgreSQL shows for our connections.
        pool_size: Reading connections to keep open; if all are in use, up to as many more are opened.
        busy_timeout_seconds: How long to wait for a lock or a free connection.
        statement_timeout_seconds: Limit for one statement on PostgreSQL; None for jobs that read or write all rows.
    """
    parsed = parse_url(url, errors.invalid_url)
    files = DatabaseFiles(parsed, errors.unavailable)
    if parsed.get_backend_name() == "sqlite":
        # One writer per process: threads wait in the pool, in order, where SQLite would make them poll the lock.
        writer = sqlite_engine(parsed, "BEGIN IMMEDIATE", busy_timeout_seconds, pool_size=1, max_overflow=0)
        reader = sqlite_engine(parsed, "BEGIN", busy_timeout_seconds, pool_size=pool_size, max_overflow=pool_size)
        event.listen(reader, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        trace_statements(writer)
        trace_statements(reader)
        return Engines(reader=reader, writer=writer, files=files)
    engine = postgres_engine(parsed, application, busy_timeout_seconds, statement_timeout_seconds, pool_size=pool_size)
    trace_statements(engine)
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Engines(reader=reader, writer=engine, files=files)


def sqlite_engine(
    url: URL, begin: str, busy_timeout_seconds: float, *, foreign_keys: bool = True, **pool: int
) -> Engine:
    """Return an engine whose transactions start with the statement ``begin``."""
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_timeout=busy_timeout_seconds,
        connect_args={"timeout": busy_timeout_seconds},
        **pool,
    )

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # By default the driver begins a transaction only before a write, so several reads would not see one snapshot.
        connection.isolation_level = None
        _enter_wal(connection, busy_timeout_seconds)
        # NORMAL needs no fsync per commit. A killed process loses nothing; a power cut may lose the last commits.
        connection.execute("PRAGMA synchronous = NORMAL")
        # What is deleted is overwritten, so that no free page keeps data of a deleted user.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    def begin_transaction(connection: Connection) -> None:
        # On the driver's connection: through SQLAlchemy the statement would take three times as long.
        connection.connection.dbapi_connection.execute(begin)  # type: ignore[union-attr]

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin_transaction)
    return engine


def postgres_engine(
    url: URL,
    application: str,
    busy_timeout_seconds: float,
    statement_timeout_seconds: float | None = None,
    *,
    pool_size: int,
) -> Engine:
    """Return an engine that detects lost connections. Parameters in the URL take precedence, except for the time zone.

    With a limit for statements, the server ends longer statements. If the server does not answer at all, the engine
    closes the connection.
    """
    defaults = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": TCP_TIMEOUT_MILLISECONDS,
        "application_name": application,
    }
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout_seconds,
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
    )

    def prepare(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {int(busy_timeout_seconds * 1000)}; {USE_UTC}")
        if statement_timeout_seconds is not None:
            connection.execute(f"SET statement_timeout = {int(statement_timeout_seconds * 1000)}")
        connection.commit()
        if watch is not None:
            watch.add(connection)

    watch = None if statement_timeout_seconds is None else ConnectionWatch(statement_timeout_seconds + ANSWER_SECONDS)
    event.listen(engine, "connect", prepare)
    return engine


def _enter_wal(connection: sqlite3.Connection, timeout_seconds: float) -> None:
    """Switch the file to WAL mode, which the file keeps. SQLite itself does not wait for the lock that this needs."""
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not is_busy or time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return
