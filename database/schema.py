"""Reading, checking and migrating the revision of a schema.

Every start checks the schema, so Alembic is imported only if there is something to migrate.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, column, inspect, select, table

from database.engine import parse_url, postgres_engine, sqlite_engine
from database.errors import Errors
from database.statements import wait_for_lock

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATION_TIMEOUT_SECONDS = 600.0

# Alembic keeps the running migration in module globals.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one package, which may share its database with the schema of another.

    Attributes:
        scripts: Folder of the Alembic scripts, one per revision. ``database/env.py`` runs them.
        revisions: All revisions, oldest first.
        version_table: Table in which Alembic keeps the revision.
        lock_number: Number of the advisory lock that lets one process at a time migrate on PostgreSQL.
        upgrade_command: Command that errors advise to run.
        errors: Exceptions to raise.
    """

    scripts: Path
    revisions: tuple[str, ...]
    version_table: str
    lock_number: int
    upgrade_command: str
    errors: Errors

    @property
    def head(self) -> str:
        """The newest revision, which the code needs."""
        return self.revisions[-1]

    def current_revision(self, url: str) -> str | None:
        """Return the revision of the database's schema, or None if there is no schema yet. Create nothing.

        Raises:
            unavailable: The database does not answer.
        """
        parsed = parse_url(url, self.errors.invalid_url)
        if _absent_file(parsed) is not None:
            return None
        with self.errors.translated(), _open(parsed, begin="BEGIN") as engine, engine.connect() as connection:
            return self._revision(connection)

    def check(self, url: str) -> None:
        """Return if the database's schema fits the code.

        Raises:
            schema_mismatch: The schema is older and must be upgraded, or newer and needs a newer paperfeed.
            unavailable: The database does not answer, or its file does not exist.
        """
        if (path := _absent_file(parse_url(url, self.errors.invalid_url))) is not None:
            raise self.errors.unavailable(f"there is no such database file: {path}")
        revision = self.current_revision(url)
        advice = f"run `{self.upgrade_command}`"
        if revision is None:
            raise self.errors.schema_mismatch(f"it has no tables yet; {advice}")
        self._refuse_newer(revision)
        if revision != self.head:
            raise self.errors.schema_mismatch(f"it is at revision {revision}, older than {self.head}; {advice}")

    def upgrade(self, url: str, revision: str = "head") -> tuple[str | None, str | None]:
        """Upgrade the schema to the revision, and return the revisions before and after. Create a missing SQLite file.

        The upgrade happens as a whole or not at all. Several processes may call this at once: one migrates, the others
        wait, for at most ten minutes, and then find nothing to do.

        Raises:
            schema_mismatch: A newer paperfeed made the schema.
            unavailable: The database does not answer, or stays locked.
        """
        parsed = parse_url(url, self.errors.invalid_url)
        with (
            _one_at_a_time,
            self.errors.translated(),
            _open(parsed, begin="BEGIN IMMEDIATE") as engine,
            engine.begin() as connection,
        ):
            wait_for_lock(connection, self.lock_number)
            before = self._revision(connection)
            self._refuse_newer(before)
            if before == (self.head if revision == "head" else revision):
                return before, before
            from alembic import command  # noqa: PLC0415 - see the module's docstring

            command.upgrade(self._config(connection), revision)
            _check_foreign_keys(connection)
            return before, self._revision(connection)

    def _config(self, connection: Connection) -> "Config":
        from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

        config = Config(attributes={"connection": connection, "version_table": self.version_table})
        # Alembic reads a per cent sign as the start of a variable.
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.set_main_option("version_locations", str(self.scripts).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return config

    def _revision(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(self.version_table):
            return None
        return connection.execute(
            select(column("version_num")).select_from(table(self.version_table))
        ).scalar_one_or_none()

    def _refuse_newer(self, revision: str | None) -> None:
        if revision is not None and revision not in self.revisions:
            raise self.errors.schema_mismatch(
                f"it was made by a newer paperfeed (revision {revision}); upgrade paperfeed"
            )


@contextlib.contextmanager
def _open(url: URL, *, begin: str) -> Iterator[Engine]:
    """Return an engine that checks no foreign keys on SQLite, because migrations there replace whole tables."""
    if url.get_backend_name() == "sqlite":
        engine = sqlite_engine(url, begin, MIGRATION_TIMEOUT_SECONDS, foreign_keys=False)
    else:
        engine = postgres_engine(url, "paperfeed", MIGRATION_TIMEOUT_SECONDS, pool_size=1)
    try:
        yield engine
    finally:
        engine.dispose()


def _absent_file(url: URL) -> str | None:
    """Return the path of the SQLite file if it does not exist."""
    path = url.database or ""
    return path if url.get_backend_name() == "sqlite" and not Path(path).exists() else None


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError(f"the migration left rows of {broken[0]} that point to nothing; nothing was changed")
