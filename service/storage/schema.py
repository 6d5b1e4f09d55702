"""The schema's revision: what the code needs, what a database has, and the way from one to the other.

Checking is on the way of every start, so Alembic is imported only where something migrates.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.pool import NullPool

from service.domain.errors import SchemaMismatch, StorageUnavailable
from service.storage.engine import CONNECT_TIMEOUT_SECONDS, IN_UTC, mapped_errors, parse_url, sqlite_engine

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0005"
KNOWN_REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""All revisions, oldest first; a test compares them with the scripts."""

MIGRATION_TIMEOUT_SECONDS = 600.0

_MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic keeps the running migration in module globals.
_one_at_a_time = threading.Lock()


def current_revision(url: str) -> str | None:
    """The revision of the database's schema; None when it has none yet. Creates nothing.

    Raises:
        StorageUnavailable: The database does not answer.
    """
    if _absent_file(url) is not None:
        return None
    with mapped_errors(), _open(url, begin="BEGIN") as engine, engine.connect() as connection:
        return _revision(connection)


def check(url: str) -> None:
    """Returns if the code fits the database's schema.

    Raises:
        SchemaMismatch: The schema is older, and must be upgraded, or newer, and needs a newer paperfeed.
        StorageUnavailable: The database does not answer, or its file is not there.
    """
    if (path := _absent_file(url)) is not None:
        raise StorageUnavailable(f"there is no such database file: {path}")
    revision = current_revision(url)
    if revision is None:
        raise SchemaMismatch("it has no tables yet; run `paperfeed db upgrade`")
    _refuse_newer(revision)
    if revision != HEAD:
        raise SchemaMismatch(f"it is at revision {revision}, older than {HEAD}; run `paperfeed db upgrade`")


def upgrade(url: str, revision: str = HEAD) -> tuple[str | None, str | None]:
    """Brings the schema up to the revision, creating the database file if need be; gives (before, after).

    All or nothing, and safe to run in several processes at once: the later ones wait and find nothing left to do.

    Raises:
        SchemaMismatch: A newer paperfeed made the schema.
        StorageUnavailable: The database does not answer, or stays locked.
    """
    return _migrate(url, revision, "upgrade")


def downgrade(url: str, revision: str) -> tuple[str | None, str | None]:
    """The way back (``base`` removes everything); the data of what it removes is lost. Gives (before, after)."""
    return _migrate(url, revision, "downgrade")


def _migrate(url: str, revision: str, direction: str) -> tuple[str | None, str | None]:
    from alembic import command  # noqa: PLC0415 - see the module's docstring

    with _one_at_a_time, mapped_errors(), _open(url) as engine, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(70460002, hashtext(current_schema()))"))
        before = _revision(connection)
        _refuse_newer(before)
        getattr(command, direction)(_config(connection), revision)
        _check_foreign_keys(connection)
        return before, _revision(connection)


def _config(connection: Connection) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

    config = Config(attributes={"connection": connection})
    # Alembic reads a per cent sign as the start of a variable.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextlib.contextmanager
def _open(url: str, *, begin: str = "BEGIN IMMEDIATE") -> Iterator[Engine]:
    """An engine of its own: batch migrations replace tables, which SQLite allows only while it checks no keys."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sqlite_engine(parsed, begin, MIGRATION_TIMEOUT_SECONDS, foreign_keys=False)
    else:
        arguments = {} if "connect_timeout" in parsed.query else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
        engine = create_engine(parsed, hide_parameters=True, poolclass=NullPool, connect_args=arguments)
        event.listen(engine, "connect", _use_utc)
    try:
        yield engine
    finally:
        engine.dispose()


def _use_utc(connection: Any, _record: object) -> None:
    connection.execute(IN_UTC)
    connection.commit()


def _absent_file(url: str) -> str | None:
    """SQLite's file, where it does not exist."""
    parsed = parse_url(url)
    path = parsed.database or ""
    return path if parsed.get_backend_name() == "sqlite" and not Path(path).exists() else None


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and revision not in KNOWN_REVISIONS:
        raise SchemaMismatch(f"it was made by a newer paperfeed (revision {revision}); upgrade paperfeed")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError(f"the migration left rows of {broken[0]} that point to nothing; nothing was changed")
