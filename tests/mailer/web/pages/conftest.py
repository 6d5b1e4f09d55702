"""The pages of one subscriber and of a personal installation, with a feed service and a real socket."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlsplit

import pytest

from mailer.config import MailSettings
from mailer.links import Purpose
from mailer.service import FeedService
from mailer.storage import MailStore
from mailer.web.reading.users import COOKIE
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import FixedClock
from tests.mailer.builders import subscribe
from tests.mailer.feeds import OwnFeeds
from tests.mailer.site import Answer, RunningSite, running_site


@dataclass(frozen=True)
class Visitor:
    """A browser without JavaScript that keeps one cookie.

    Attributes:
        cookie: Value of the cookie; empty for none.
    """

    site: RunningSite
    feeds: OwnFeeds
    user_id: str
    cookie: str = ""

    def get(self, path: str, **headers: str) -> Answer:
        """Open a page."""
        return self.site.ask(path, Cookie=f"{COOKIE}={self.cookie}", **headers)

    def post(self, path: str, form: dict[str, object], **headers: str) -> Answer:
        """Send a form from a page of the site."""
        own = {"Origin": self.site.base_url, "Cookie": f"{COOKIE}={self.cookie}"}
        return self.site.ask(path, form, **{**own, **headers})

    def react(self, paper: str, event: str, **form: object) -> Answer:
        """Press a button below the test's paper of that name."""
        return self.post("/react", {"paper": self.feeds.paper_id(paper), "event": event, **form})

    def papers(self, path: str = "/") -> list[str]:
        """Return the names of the papers on a page, in order."""
        found = re.findall(r'<article[^>]* data-paper="([^"]+)"', self.get(path).text)
        return [self.feeds.name(unescape(each)) for each in found]

    def slate_id(self, path: str = "/") -> str:
        """Return the slate of a page."""
        return re.findall(r' data-slate="([^"]+)"', self.get(path).text)[0]

    def events(self) -> list[tuple[str, str, str]]:
        """Return (type, paper's name, slate) of the user's events in the service, in order."""
        with self.feeds.client() as client:
            answers = client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=self.user_id))
            found = [answer.event for answer in answers if answer.HasField("event")]
        kinds = profile_pb2.EventType
        return [
            (kinds.Name(each.event_type).removeprefix("EVENT_TYPE_").lower(), self.feeds.name(each.paper_id),
             each.slate_id) for each in found
        ]  # fmt: skip


def cookie_of(answer: Answer) -> str:
    """Return the value of the cookie that an answer sets."""
    header = answer.headers["Set-Cookie"]
    assert header.startswith(f"{COOKIE}=")
    return str(header.partition("=")[2].partition(";")[0])


def path_of(link: str) -> str:
    """Return the path and query of a link."""
    parts = urlsplit(unescape(link))
    return parts.path + (f"?{parts.query}" if parts.query else "")


@pytest.fixture
def open_site(store: MailStore, feeds: OwnFeeds) -> Iterator[RunningSite]:
    """The pages for one subscriber, and for user ``me-N`` of a personal installation."""
    subscribe(store, feeds, 1)
    settings = MailSettings.read({}, server=feeds.target, sender_name="Papers & more")
    with (
        FeedService(feeds.target, timeout_seconds=20) as service,
        running_site(store, service, settings, FixedClock(feeds.today), page_user=feeds.user_id(9)) as site,
    ):
        yield site


@pytest.fixture
def me(open_site: RunningSite, feeds: OwnFeeds) -> Visitor:
    """The user of the personal installation, who has two likes."""
    feeds.like(9, "a0", "a5")
    return Visitor(open_site, feeds, feeds.user_id(9))


@pytest.fixture
def subscribed(open_site: RunningSite, feeds: OwnFeeds) -> Visitor:
    """The subscriber, signed in by the link of a mail."""
    link = path_of(open_site.links.url(Purpose.OPEN, "s000001"))
    return Visitor(open_site, feeds, feeds.user_id(1), cookie_of(open_site.ask(link, {})))
