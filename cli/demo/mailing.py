"""The mails of the demo, and a like given on the page of one."""

import datetime as dt
import re
import urllib.request
from collections.abc import Sequence
from html import unescape

from cli.demo.samples import SampleUser
from cli.demo.servers import DemoFailed
from cli.mail.store import open_store
from mailer.config import MailSettings
from mailer.domain.subscription import Schedule
from mailer.run import MailRun
from mailer.service import FeedService
from mailer.subscribers.subscriptions import Entry, Subscriptions

WAIT_SECONDS = 60.0


class DigestDay:
    """A clock that starts on the digest's day."""

    def __init__(self, start: dt.datetime) -> None:
        self._behind = dt.datetime.now(dt.UTC) - start

    def now(self) -> dt.datetime:
        """Return the time, aware and in UTC."""
        return dt.datetime.now(dt.UTC) - self._behind


def send_issues(mail_db: str, server: str, pages: str, port: int, users: Sequence[SampleUser], day: dt.datetime) -> str:
    """Subscribe the users and send each an issue; return the summary of the run in words.

    Args:
        server: Address of the feed service.
        pages: URL of the web pages that the mails link to.
        port: Port of the SMTP server.
    """
    settings = MailSettings.read(
        {},
        db=mail_db,
        server=server,
        base_url=pages,
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_security="none",
        sender_name="paperfeed demo",
        postal_address="An invented sender, nowhere",
    )
    clock = DigestDay(day)
    wanted = [Entry(each.user_id, f"{each.user_id}@example.org", each.name, Schedule(), 5) for each in users]
    with open_store(mail_db) as store, FeedService(server) as service:
        Subscriptions(store, clock).add_many(wanted, "invented for the demo")
        return MailRun(store, service, settings, clock).run(everybody=True).in_words()


def press_like(html: str, number: int) -> str:
    """Follow like link ``number`` of the mail (from 0), press the page's button, and return the paper's title."""
    link = re.findall(r'href="([^"]+/like/[^"]+)"', html)[number]
    if not link.startswith("http://127.0.0.1:"):
        raise DemoFailed(f"the link {link} does not lead to this machine")
    with urllib.request.urlopen(link, timeout=WAIT_SECONDS) as page:  # noqa: S310 (checked above)
        shown = page.read().decode()
    if '<form method="post">' not in shown:
        raise DemoFailed("the page behind the link has no button")
    with urllib.request.urlopen(link, data=b"", timeout=WAIT_SECONDS) as page:  # noqa: S310 (checked above)
        done = page.read().decode()
    if "<h1>Liked</h1>" not in done:
        raise DemoFailed("the page does not say that the like was stored")
    title = re.search(r'<p dir="auto">(.*?)</p>', done, re.DOTALL)
    return unescape(title[1]) if title else ""
