"""Databases for tests: files for SQLite, and schemas on the PostgreSQL server of TEST_DATABASE_URL."""

import contextlib
import functools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, make_url, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from database.engine import parse_url
from tests.requirements import require

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
"""Parameters of a fixture that gives a database of each engine."""

_SERVER = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/test")


def require_postgres() -> None:
    """Skip or fail the test if no server answers."""
    require("postgres", _is_reachable(), "needs PostgreSQL: set TEST_DATABASE_URL")


@contextlib.contextmanager
def postgres_schema() -> Iterator[str]:
    """Return the URL of a schema without tables, which is dropped at the end.

    Commits do not wait for the server's disk: no test stops the server.
    """
    name = f"paperfeed_test_{secrets.token_hex(6)}"
    _on_server(f"CREATE SCHEMA {name}")
    try:
        url = make_url(_SERVER).update_query_dict({"options": f"-csearch_path={name} -csynchronous_commit=off"})
        yield url.render_as_string(hide_password=False)
    finally:
        _on_server(f"DROP SCHEMA {name} CASCADE")


@contextlib.contextmanager
def new_database(engine: str, folder: Path) -> Iterator[str]:
    """Return the URL of a database without tables, on one of ``ENGINES``."""
    if engine == "sqlite":
        # Alembic and URLs treat a per cent sign specially.
        yield f"sqlite:///{folder}/50%25 new.db"
        return
    require_postgres()
    with postgres_schema() as url:
        yield url


class MigratedDatabases:
    """Databases with all tables and only the rows that the migrations insert.

    On SQLite each test gets a copy of one migrated file. On PostgreSQL all tests share one schema, which is emptied
    before each of them. Both take a tenth of the time of migrating for each test.

    Args:
        upgrade: Migrates the database at a URL.
        metadata: The migrated tables.
        folder: Folder of the SQLite file that is copied.
    """

    def __init__(self, upgrade: Callable[[str], object], metadata: MetaData, folder: Path) -> None:
        self._upgrade = upgrade
        self._tables = metadata.sorted_tables
        self._template = folder / "template.db"
        self._postgres_url = ""
        self._engine: Engine | None = None
        self._stack = contextlib.ExitStack()
        self._first_rows: dict[Table, list[dict[str, object]]] = {}

    def empty(self, engine: str, folder: Path) -> str:
        """Return the URL of a database for one test, on one of ``ENGINES``."""
        return self.empty_file(folder / "store.db") if engine == "sqlite" else self._empty_schema()

    def close(self) -> None:
        """Drop the schema on PostgreSQL."""
        if self._engine is not None:
            self._engine.dispose()
        self._stack.close()

    def empty_file(self, path: Path) -> str:
        """Create a database on SQLite in this file; return its URL."""
        if not self._template.exists():
            self._upgrade(f"sqlite:///{self._template}")
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def _empty_schema(self) -> str:
        require_postgres()
        if not self._postgres_url:
            self._postgres_url = self._stack.enter_context(postgres_schema())
            self._upgrade(self._postgres_url)
            with self._connection() as connection:
                found = {table: connection.execute(select(table)).mappings().all() for table in self._tables}
            self._first_rows = {table: [dict(row) for row in rows] for table, rows in found.items() if rows}
            return self._postgres_url
        with self._connection() as connection:
            # TRUNCATE would make new files, which takes ten times as long as deleting a few rows.
            connection.exec_driver_sql("; ".join(f"DELETE FROM {table.name}" for table in reversed(self._tables)))
            for table, rows in self._first_rows.items():
                connection.execute(table.insert(), rows)
        return self._postgres_url

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        if self._engine is None:
            self._engine = create_engine(parse_url(self._postgres_url), pool_pre_ping=True)
        with self._engine.begin() as connection:
            yield connection


@functools.cache
def _is_reachable() -> bool:
    try:
        _on_server("SELECT 1")
    except (OperationalError, ImportError):
        return False
    return True


def _on_server(statement: str) -> None:
    url = make_url(_SERVER).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 3})
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
