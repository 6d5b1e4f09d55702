"""Databases of the mailer, a part of a shared feed service, an SMTP server and a clock."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from mailer.storage import MailStore, open_store, schema
from mailer.storage.engine import parse_url
from mailer.storage.tables import installation, metadata
from testing.mailer.builders import FixedClock
from testing.mailer.feed_service import RunningService, feed_service
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.databases import postgres_schema, require_postgres
from tests.mailer.feeds import OwnFeeds

BOTH_ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy, which is faster than a migration for every test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A migrated schema that the tests of the session share."""
    require_postgres()
    with postgres_schema() as url:
        schema.upgrade(url)
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated file of this test alone."""
    shutil.copy(sqlite_template, tmp_path / "mailer.db")
    return f"sqlite:///{tmp_path / 'mailer.db'}"


@pytest.fixture(params=BOTH_ENGINES)
def each_store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database, on each engine in turn."""
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
def each_store(each_store_url: str) -> Iterator[MailStore]:
    """An empty store, on each engine in turn."""
    opened = open_store(each_store_url)
    yield opened
    opened.dispose()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[MailStore]:
    """An empty store on SQLite, for tests of code above the storage."""
    opened = open_store(sqlite_url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def running_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One feed service for all tests of the session; no test stops it."""
    with feed_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def feeds(running_service: RunningService) -> OwnFeeds:
    """The test's own part of the feed service: a digest of ten papers, two of which user 1 likes."""
    own = OwnFeeds(running_service.target, next(_numbers))
    own.add_digest("first", "a", 10)
    own.like(1, "a0", "a5")
    return own


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """An SMTP server."""
    with smtp_server() as running:
        yield running


@pytest.fixture
def clock(feeds: OwnFeeds) -> FixedClock:
    """Noon of the test's own day, after the hour of every default schedule."""
    return FixedClock(feeds.today)
