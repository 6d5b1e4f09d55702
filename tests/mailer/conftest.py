"""One empty mailer's database per test, on each engine; a feed service, a mail server and a clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.storage import MailStore, open_store, schema
from mailer.storage.tables import metadata
from tests.databases import ENGINES, MigratedDatabases
from tests.mailer.builders import TODAY, FixedClock
from tests.mailer.feed_service import RunningService, add_digest, feed_service, like, papers
from tests.mailer.smtp_server import Inbox, smtp_server


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MigratedDatabases]:
    """The databases of this session."""
    made = MigratedDatabases(schema.upgrade, metadata, tmp_path_factory.mktemp("template"))
    yield made
    made.close()


@pytest.fixture
def sqlite_url(databases: MigratedDatabases, tmp_path: Path) -> str:
    """The URL of an empty database on SQLite."""
    return databases.empty("sqlite", tmp_path)


@pytest.fixture
def postgres_url(databases: MigratedDatabases, tmp_path: Path) -> str:
    """The URL of an empty database on PostgreSQL."""
    return databases.empty("postgres", tmp_path)


@pytest.fixture(params=ENGINES)
def store_url(request: pytest.FixtureRequest, databases: MigratedDatabases, tmp_path: Path) -> str:
    """The URL of an empty database on each engine."""
    return databases.empty(request.param, tmp_path)


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
