"""Databases of the mailer, a part of a shared feed service, an SMTP server and a clock."""

import itertools
from collections.abc import Iterator

import pytest

from mailer.storage import MailStore, open_store, schema
from mailer.storage.tables import metadata
from testing.mailer.builders import FixedClock
from testing.mailer.feed_service import RunningService, feed_service
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.databases import MigratedDatabases
from tests.mailer.feeds import OwnFeeds
from tests.store_fixtures import postgres_url, sqlite_url, store_url

__all__ = ["postgres_url", "sqlite_url", "store_url"]

_numbers = itertools.count()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MigratedDatabases]:
    """The databases of this session."""
    made = MigratedDatabases(schema.upgrade, metadata, tmp_path_factory.mktemp("template"))
    yield made
    made.close()


@pytest.fixture
def each_store(store_url: str) -> Iterator[MailStore]:
    """An empty store, on each engine in turn."""
    opened = open_store(store_url)
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
