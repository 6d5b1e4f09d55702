"""A browser and everything behind the web pages, once for all tests of the session."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Browser

from mailer.clock import SystemClock
from mailer.config import MailSettings
from mailer.run import MailRun, Summary
from mailer.service import FeedService
from mailer.storage import MailStore, open_store, schema
from paperfeed.v1 import catalog_pb2
from testing.mailer.builders import settings_for
from testing.mailer.feed_service import RunningService, add_digest, feed_service, papers
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.browser.browsers import chromium
from tests.mailer.site import RunningSite, running_site


@dataclass(frozen=True)
class World:
    """Feed service, SMTP server, mailer and web pages. Each test uses a subscriber of its own."""

    site: RunningSite
    service: RunningService
    inbox: Inbox
    store: MailStore
    settings: MailSettings

    def send(self) -> Summary:
        """Make and send an issue for every subscriber who has none of the newest digest."""
        with FeedService(self.service.target) as feeds:
            return MailRun(self.store, feeds, self.settings, SystemClock()).run(everybody=True)


def awkward_papers() -> list[catalog_pb2.Paper]:
    """Return ten papers, some with a very long word, right-to-left text, formulas, markup or many authors."""
    made = papers("a", 10)
    made[0].title = "Donaudampfschifffahrtsgesellschaft" * 6
    made[2].title = "\u05dc\u05de\u05d9\u05d3\u05d4 \u05e2\u05de\u05d5\u05e7\u05d4 with graph networks"
    made[3].title = "<b>Bounds</b> of $O(n^2 \\log n)$ & more"
    made[7].authors.extend(f"Author Number {number}" for number in range(40))
    made[5].abstract = "One sentence after another. " * 80
    return made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world with a digest ``today`` of ten papers, and an old one of papers that no issue contains."""
    folder = tmp_path_factory.mktemp("world")
    url = f"sqlite:///{folder / 'mailer.db'}"
    schema.upgrade(url)
    store = open_store(url)
    with feed_service(folder) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "today", dt.datetime.now(dt.UTC).date(), awkward_papers())
            add_digest(client, "other", dt.date(2020, 1, 1), papers("z", 10))
        settings = settings_for(
            inbox.port, server=service.target, sender_name="Papers of the day", postal_address="1 Way"
        )
        with (
            FeedService(service.target, timeout_seconds=5) as feeds,
            running_site(store, feeds, settings, SystemClock(), courier=True) as site,
        ):
            yield World(site, service, inbox, store, replace(settings, base_url=site.base_url))
    store.dispose()
