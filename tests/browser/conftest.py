"""All that runs, and a browser before it."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from mailer.clock import SystemClock
from mailer.config import MailSettings
from mailer.service import FeedService
from mailer.storage import MailStore, open_store, schema
from testing.mailer.feed_service import RunningService, add_digest, feed_service, papers
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.browser.browsers import chromium
from tests.mailer.sending.test_sending import settings_for
from tests.mailer.site import RunningSite, running_site


@dataclass
class World:
    """All that runs."""

    browser: Browser
    site: RunningSite
    service: RunningService
    inbox: Inbox
    store: MailStore
    settings: MailSettings


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as running:
        yield running


@pytest.fixture
def world(browser: Browser, tmp_path: Path) -> Iterator[World]:
    """Feed service, mail server, web app and browser."""
    schema.upgrade(f"sqlite:///{tmp_path / 'mailer.db'}")
    store = open_store(f"sqlite:///{tmp_path / 'mailer.db'}")
    with feed_service(tmp_path) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "today", dt.datetime.now(dt.UTC).date(), papers("a", 10))
        settings = settings_for(inbox, server=service.target, sender_name="Papers of the day")
        with (
            FeedService(service.target, timeout_seconds=5) as feeds,
            running_site(store, feeds, settings, SystemClock(), courier=True) as site,
        ):
            yield World(browser, site, service, inbox, store, settings)
    store.dispose()
