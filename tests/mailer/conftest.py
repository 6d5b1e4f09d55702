"""One empty mailer's database per test, on each engine; a feed service, a mail server and a clock."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from mailer.storage import MailStore, open_store, schema
from mailer.storage.engine import parse_url
from mailer.storage.tables import installation, metadata
from testing.mailer.builders import TODAY, FixedClock
from testing.mailer.feed_service import RunningService, add_digest, feed_service, like, papers
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.databases import postgres_schema, require_postgres


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to be copied: faster than migrating for every test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A migrated schema that the whole session shares."""
    require_postgres()
    with postgres_schema() as url:
        schema.upgrade(url)
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated file of this test alone."""
    shutil.copy(sqlite_template, tmp_path / "mailer.db")
    return f"sqlite:///{tmp_path / 'mailer.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url = str(request.getfixturevalue("postgres_url"))
    engine = create_engine(parse_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        # TRUNCATE would make new files, which takes ten times as long as deleting a few rows.
        for table in reversed(metadata.sorted_tables):
            if table.name != "mail_installation":
                connection.execute(table.delete())
        connection.execute(installation.update().values(deleted_users_read_until=None))
    engine.dispose()
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[MailStore]:
    """An empty store."""
    opened = open_store(store_url)
    yield opened
    opened.dispose()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service with a digest of ten papers."""
    with feed_service(tmp_path) as running:
        with running.client() as client:
            add_digest(client, "first", TODAY.date(), papers("a", 10))
            like(client, "u000001", ["a0", "a5"])
        yield running


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server."""
    with smtp_server() as running:
        yield running


@pytest.fixture
def clock() -> FixedClock:
    """Noon of that day: everybody's hour has passed."""
    return FixedClock(TODAY)
