"""Empty databases for tests: files for SQLite, schemas of their own on the PostgreSQL server of TEST_DATABASE_URL."""

import contextlib
import functools
import os
import secrets
from collections.abc import Iterator

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.requirements import require

_SERVER = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/test")


def require_postgres() -> None:
    """Skips or fails the test where no server answers."""
    require("postgres", _is_reachable(), "needs PostgreSQL: set TEST_DATABASE_URL")


@contextlib.contextmanager
def postgres_schema() -> Iterator[str]:
    """The URL of an empty schema, dropped at the end."""
    name = f"paperfeed_test_{secrets.token_hex(6)}"
    _on_server(f"CREATE SCHEMA {name}")
    try:
        url = make_url(_SERVER).update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        _on_server(f"DROP SCHEMA {name} CASCADE")


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
