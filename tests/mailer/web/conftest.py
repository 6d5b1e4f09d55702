"""Two subscribers with a sent issue each, and the web pages over a real socket."""

from collections.abc import Iterator

import pytest

from mailer.config import MailSettings
from mailer.domain.issue import Issue, IssuePaper
from mailer.service import FeedService
from mailer.storage import MailStore, issues, subscribers
from testing.mailer.builders import NOW, FixedClock, subscriber
from tests.mailer.site import RunningSite, running_site
from tests.mailer.web.reading import TITLE


@pytest.fixture
def clock() -> FixedClock:
    """A clock that the test advances."""
    return FixedClock()


@pytest.fixture
def site(store: MailStore, clock: FixedClock) -> Iterator[RunningSite]:
    """The web pages for two subscribers with a sent issue each, without a feed service."""
    with store.write() as connection:
        for number in (1, 2):
            subscribers.add(connection, subscriber(number))
            papers = (
                IssuePaper(1, "p1", TITLE, "https://example.org/p1"),
                IssuePaper(2, "p2", "Second", "http://example.org/p2?a=b"),
                IssuePaper(3, "p3", "No address", ""),
                *(IssuePaper(n, f"p{n}", f"Paper {n}", f"https://example.org/p{n}") for n in range(4, 9)),
            )
            name = f"i{number}"
            made = Issue(name, f"s{number:06d}", "d1", "slate", f"<{name}@x>", f"Issue {number}", b"", papers, NOW)
            issues.add(connection, made)
            issues.mark_sent(connection, name, NOW)
    clock.advance(minutes=10)
    settings = MailSettings.read({}, sender_name="Papers & more", track_clicks=True)
    with (
        FeedService("127.0.0.1:1", timeout_seconds=0.2) as service,
        running_site(store, service, settings, clock) as it,
    ):
        yield it
