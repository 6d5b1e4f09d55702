"""Mail scanners: whoever follows every link of a real mail, and all that they lead to, changes nothing."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from html import unescape
from pathlib import Path
from typing import Any

from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import MailStore, subscribers
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import FixedClock, subscriber
from testing.mailer.feed_service import RunningService, add_digest, feed_service, like, papers
from testing.mailer.smtp_server import smtp_server
from tests.mailer.sending.test_sending import settings_for
from tests.mailer.site import RunningSite, running_site
from tests.mailer.web.reading import dump, events


def links_in(content: bytes) -> list[str]:
    """Every address in the mail: of both parts, and of the header to unsubscribe."""
    message: Any = message_from_bytes(content, policy=default)
    html, plain = (message.get_body((kind,)).get_content() for kind in ("html", "plain"))
    found = re.findall(r'href="([^"]+)"', html) + re.findall(r"https?://\S+", plain)
    found += re.findall(r"<(http[^>]+)>", message["List-Unsubscribe"])
    return [unescape(link) for link in found]


def crawl(site: RunningSite, links: Sequence[str], method: str = "GET") -> set[str]:
    """Follows them and all that the pages behind them name, forms' addresses too; gives what was asked for."""
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


def known_of(service: RunningService, user_id: str) -> str:
    """All that the service holds of the user."""
    with service.client() as client:
        parts = client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=user_id))
        return repr([str(part) for part in parts])


def test_a_crawl_from_a_mail(store: MailStore, tmp_path: Path) -> None:
    """Twice, with the feed service up: weak click rows marked as a machine's, and nothing else, there or here."""
    clock = FixedClock(dt.datetime.now(dt.UTC))
    with feed_service(tmp_path) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "today", clock.now().date(), papers("a", 8))
            add_digest(client, "old", dt.date(2020, 1, 1), papers("z", 3))
            like(client, "u000001", ["z1"])
        with store.write() as connection:
            subscribers.add(connection, subscriber(1))
        settings = settings_for(inbox, server=service.target)
        with (
            FeedService(service.target) as feeds,
            running_site(store, feeds, settings, clock, courier=True) as site,
        ):
            MailRun(store, feeds, replace(settings, base_url=site.base_url), clock).run(everybody=True)
            links = links_in(inbox.messages[0][1])
            clock.go_on(minutes=10)
            before, before_there = dump(store), known_of(service, "u000001")

            purposes = {link.split("/")[3] for _ in range(2) for link in crawl(site, links) if link.startswith("http")}
            crawl(site, links, method="HEAD")
            clock.go_on(minutes=10)

            after, after_there = dump(store), known_of(service, "u000001")

    assert purposes >= {"view", "click", "like", "save", "dislike", "preferences", "archive", "unsubscribe"}
    clicks, none = after.pop("mail_reactions"), before.pop("mail_reactions")
    assert (len(clicks), none) == (8, [])
    assert {(kind, is_scanner) for kind, _, is_scanner in events(store)} == {("click", 1)}
    assert after == before
    assert after_there == before_there
