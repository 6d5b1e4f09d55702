"""Mail scanners: following every link of a mail, and every link behind them, changes nothing."""

import re
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from html import unescape
from typing import Any

from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import MailStore
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import FixedClock, settings_for
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import subscribe
from tests.mailer.feeds import OwnFeeds
from tests.mailer.site import RunningSite, running_site
from tests.mailer.web.reading import dump, events


def links_in(content: bytes) -> list[str]:
    """Return every address in both parts of the mail and in the header to unsubscribe."""
    message: Any = message_from_bytes(content, policy=default)
    html, plain = (message.get_body((kind,)).get_content() for kind in ("html", "plain"))
    found = re.findall(r'href="([^"]+)"', html) + re.findall(r"https?://\S+", plain)
    found += re.findall(r"<(http[^>]+)>", message["List-Unsubscribe"])
    return [unescape(link) for link in found]


def crawl(site: RunningSite, links: Sequence[str], method: str = "GET") -> set[str]:
    """Follow the links and all links and forms of the pages behind them; return the visited addresses."""
    todo, seen = [*links], set[str]()
    while todo:
        link = todo.pop()
        if link in seen or not link.startswith((site.base_url, "/")):
            continue
        seen.add(link)
        answer = site.ask(link, method=method)
        assert answer.status in {200, 303}, link
        todo += [unescape(found) for found in re.findall(r'(?:href|action)="([^"#]+)"', answer.text)]
    return seen


def known_of(feeds: OwnFeeds, user: int) -> str:
    """Return everything that the service stores about the user."""
    with feeds.client() as client:
        parts = client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=feeds.user_id(user)))
        return repr([str(part) for part in parts])


def test_a_crawl_from_a_mail(store: MailStore, feeds: OwnFeeds, inbox: Inbox) -> None:
    """Following all links of a mail twice stores nothing but clicks marked as a scanner's, here and in the service."""
    subscribe(store, feeds, 1)
    clock = FixedClock(feeds.today)
    settings = settings_for(inbox.port, server=feeds.target, track_clicks=True)
    with FeedService(feeds.target) as service, running_site(store, service, settings, clock, courier=True) as site:
        MailRun(store, service, replace(settings, base_url=site.base_url), clock).run(everybody=True)
        links = links_in(inbox.messages[0][1])
        clock.advance(minutes=10)
        before, before_there = dump(store), known_of(feeds, 1)

        purposes = {link.split("/")[3] for _ in range(2) for link in crawl(site, links) if link.startswith("http")}
        crawl(site, links, method="HEAD")
        clock.advance(minutes=10)

        after, after_there = dump(store), known_of(feeds, 1)

    assert purposes >= {"view", "click", "like", "save", "dislike", "preferences", "archive", "unsubscribe"}
    clicks, none = after.pop("mail_reactions"), before.pop("mail_reactions")
    assert (len(clicks), none) == (8, [])
    assert {(kind, is_scanner) for kind, _, is_scanner in events(store)} == {("click", 1)}
    assert after == before
    assert after_there == before_there
