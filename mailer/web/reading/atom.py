"""A user's feed in the format Atom (RFC 4287), for feed readers.

A feed comes from a slate of its own, and each entry leads to our page of the paper with the slate's id. So reactions
from a feed reader join the same log as those from the page and the mail.
"""

import datetime as dt
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.feed import Feed, FeedPaper
from mailer.issues.reasons import in_words
from mailer.issues.text import readable
from mailer.service import FeedService
from mailer.web.reading.cards import cards

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
NAMESPACE = "http://www.w3.org/2005/Atom"
KEPT_SECONDS = 3_600
MAX_KEPT = 500
register_namespace("", NAMESPACE)


@dataclass
class AtomFeeds:
    """Makes feeds, and keeps each for an hour: feed readers ask often, and each feed is a slate to store."""

    service: FeedService
    settings: MailSettings
    clock: Clock
    _kept: dict[str, tuple[float, bytes]] = field(default_factory=dict)

    def of_user(self, user_id: str, own_url: str) -> bytes:
        """Return the user's feed of the newest digest as an XML document.

        Args:
            own_url: Address of the feed.
        """
        now = time.monotonic()
        kept_until, document = self._kept.get(own_url, (0.0, b""))
        if kept_until < now:
            feed, _ = self.service.feed(user_id)
            document = _document(feed, own_url, self.settings, self.clock.now())
            while len(self._kept) >= MAX_KEPT:
                # The oldest entry: a dictionary keeps the order of insertion.
                self._kept.pop(next(iter(self._kept)), None)
            self._kept.pop(own_url, None)
            self._kept[own_url] = (now + KEPT_SECONDS, document)
        return document


def _document(feed: Feed, own_url: str, settings: MailSettings, now: dt.datetime) -> bytes:
    root = Element(_tag("feed"))
    _add(root, "id", own_url)
    _add(root, "title", f"{readable(settings.sender_name)}: your papers")
    _add(root, "updated", _time(now))
    _add(root, "link", rel="self", type="application/atom+xml", href=own_url)
    _add(root, "link", rel="alternate", type="text/html", href=f"{_base(settings)}/")
    _add(root, "generator", "paperfeed")
    _add(_add(root, "author"), "name", readable(settings.sender_name))
    for paper in feed.papers:
        _add_entry(root, paper, feed.slate_id, settings, now)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _add_entry(root: Element, paper: FeedPaper, slate_id: str, settings: MailSettings, now: dt.datetime) -> None:
    (card,) = cards([paper], slate_id)
    page_url = _base(settings) + card.page_url
    entry = _add(root, "entry")
    host = urlsplit(settings.base_url).hostname or "localhost"
    # A tag URI (RFC 4151): the same in every feed and on every day.
    _add(entry, "id", f"tag:{host},2026-01-01:paper/{quote(paper.paper_id, safe='/:')}")
    _add(entry, "title", card.title)
    _add(entry, "updated", _time(paper.published_at or now))
    if paper.published_at:
        _add(entry, "published", _time(paper.published_at))
    for name in filter(None, map(readable, paper.authors[:100])):
        _add(_add(entry, "author"), "name", name)
    for category in filter(None, card.categories):
        _add(entry, "category", term=category)
    _add(entry, "link", rel="alternate", type="text/html", href=page_url)
    for url, title in ((card.url, "The paper"), (card.pdf_url, "PDF")):
        if url:
            _add(entry, "link", rel="related", href=url, title=title)
    why = in_words(paper.reasons)
    _add(entry, "summary", "\n\n".join(filter(None, (f"{why}." if why else "", card.abstract))) or card.title)


def _add(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    element = SubElement(parent, _tag(name), attributes)
    element.text = text or None
    return element


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base(settings: MailSettings) -> str:
    return settings.base_url.rstrip("/")
