"""Connections: what every one is told at its start, and which failures mean that the database is not available."""

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mailer.errors import InvalidField, StorageUnavailable

BUSY_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5
# How long data may stay unacknowledged before a silent server counts as gone.
TCP_TIMEOUT_MILLISECONDS = 30_000

# SQLite's primary result codes that no change of the statement would cure.
_SQLITE_PROBLEMS = {
    3: "its file may not be opened",
    5: "it is locked by another process",
    6: "it is locked by another connection",
    7: "out of memory",
    8: "its file is read-only",
    10: "its disk cannot be read or written",
    11: "its file is damaged",
    13: "its disk is full",
    14: "its file cannot be opened",
    15: "its files do not lock",
    26: "its file is not a database",
}

# PostgreSQL's SQLSTATEs (appendix A of its manual) that have a better word than "lost".
_POSTGRES_PROBLEMS = {
    "25006": "it is read-only",
    "40001": "a change at the same time got in the way",
    "40P01": "a change at the same time got in the way",
    "53100": "its disk is full",
    "53200": "out of memory",
    "53300": "it has too many connections",
    "55P03": "it is locked by another transaction",
    "57014": "the statement took too long",
    "57P01": "it is being shut down",
    "57P03": "it is starting up or shutting down",
}

# What PostgreSQL says to who connects, in English; the driver gives these no SQLSTATE.
_POSTGRES_REFUSALS = (
    ('database ".*" does not exist', "its server has no database of that name"),
    ('role ".*" does not exist', "its server has no role of that name"),
    ("authentication failed", "its server refuses the role or its password"),
    ("no password supplied", "its server asks for a password"),
    ("no pg_hba.conf entry", "its server has no rule (pg_hba.conf) that lets this role in"),
    (
        "permission denied|not permitted to log in|not currently accepting",
        "its server does not let this role connect",
    ),
    ("too many ", "it has too many connections"),
    ("starting up|shutting down|not yet accepting", "it is starting up or shutting down"),
    ("FATAL: ", "its server refuses the connection"),
)


@dataclass(frozen=True, slots=True)
class Engines:
    """Two doors to one database; ``reader`` refuses to write."""

    reader: Engine
    writer: Engine

    def dispose(self) -> None:
        """Closes all connections."""
        self.reader.dispose()
        self.writer.dispose()


def parse_url(url: str) -> URL:
    """The URL with the driver we use.

    Raises:
        InvalidField: Neither SQLite in a file nor PostgreSQL. Never repeats the URL, which may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # ValueError where the port is no number.
        raise InvalidField("db", "is not a database URL (sqlite:///path or postgresql://...)") from None
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise InvalidField("db", "must start with sqlite:/// or postgresql://")
    if parsed.database in {None, "", ":memory:"}:
        raise InvalidField("db", "must name a file (sqlite:///path): several connections share it")
    return parsed


def open_engines(url: str, *, pool_size: int, busy_timeout_seconds: float) -> Engines:
    """Opens no connection yet."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        # One writer per process: threads queue in the pool, fairly, where SQLite would have them poll the lock.
        writer = sqlite_engine(parsed, "BEGIN IMMEDIATE", busy_timeout_seconds, pool_size=1, max_overflow=0)
        reader = sqlite_engine(parsed, "BEGIN", busy_timeout_seconds, pool_size=pool_size, max_overflow=pool_size)
        event.listen(reader, "connect", _refuse_writes)
        return Engines(reader=reader, writer=writer)
    engine = postgres_engine(parsed, busy_timeout_seconds, pool_size=pool_size)
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Engines(reader=reader, writer=engine)


def sqlite_engine(
    url: URL, begin: str, busy_timeout_seconds: float, *, foreign_keys: bool = True, **pool: int
) -> Engine:
    """An engine whose transactions start with ``begin``."""
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_timeout=busy_timeout_seconds,
        connect_args={"timeout": busy_timeout_seconds},
        **pool,
    )

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin by itself, and not before a SELECT: then a transaction would be no snapshot.
        connection.isolation_level = None
        _enter_wal(connection, busy_timeout_seconds)
        # NORMAL loses nothing when the process dies; only a power cut may take the last moments, and commits need no
        # fsync each.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin_transaction)
    return engine


def postgres_engine(url: URL, busy_timeout_seconds: float, *, pool_size: int) -> Engine:
    """An engine whose connections notice a lost server; the URL's own parameters win over ours."""
    ours = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": TCP_TIMEOUT_MILLISECONDS,
        "application_name": "paperfeed-mailer",
    }
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout_seconds,
        connect_args={name: value for name, value in ours.items() if name not in url.query},
    )

    def prepare(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {int(busy_timeout_seconds * 1000)}")
        connection.commit()

    event.listen(engine, "connect", prepare)
    return engine


@contextlib.contextmanager
def mapped_errors() -> Iterator[None]:
    """Turns errors of a lost, locked or full database into StorageUnavailable; lets bugs pass as they are."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StorageUnavailable("all its connections are in use") from error
    except DBAPIError as error:
        problem = _problem_of(error)
        if problem is None:
            raise
        raise StorageUnavailable(problem) from error


def _problem_of(error: DBAPIError) -> str | None:
    # The driver's own message stays out: PostgreSQL's names hosts and users.
    if isinstance(error.orig, sqlite3.Error):
        return _SQLITE_PROBLEMS.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(error.orig, "sqlstate", None)
    if state in _POSTGRES_PROBLEMS:
        return _POSTGRES_PROBLEMS[state]
    if isinstance(error, ProgrammingError) and error.statement is None:
        return "its URL has a parameter that the driver does not take"
    is_lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return _refusal(error.orig) or "it cannot be reached, or the connection was lost" if is_lost else None


def _refusal(error: BaseException | None) -> str | None:
    """What a server that answers has against the connection; in our words, as its own hold names."""
    _, _, said = str(error).partition("connection failed: ")
    return next((problem for pattern, problem in _POSTGRES_REFUSALS if re.search(pattern, said)), None)


def _refuse_writes(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _enter_wal(connection: sqlite3.Connection, timeout_seconds: float) -> None:
    """Switches the file to WAL, which it then keeps. SQLite does not wait for this lock by itself."""
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
