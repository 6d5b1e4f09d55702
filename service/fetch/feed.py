"""Any RSS, Atom or JSON feed as a source, such as a journal's."""

import datetime as dt
from dataclasses import dataclass

from service.fetch.http import Http
from service.fetch.kept_pages import KeptPages
from service.fetch.source import Fetched
from service.ingest.digests.arxiv_feeds import parse_feed
from service.ingest.digests.origin import digest_source


@dataclass(frozen=True)
class AnyFeed:
    """A feed as a ``Source``. Whatever the day, it gives the entries that the feed has now."""

    url: str

    @property
    def name(self) -> str:
        """Name for people, without a query, which may hold a key."""
        return digest_source("feed", self.url)

    def address(self, _day: dt.date) -> str:
        """See ``Source.address``."""
        return self.url

    def fetch(self, http: Http, _day: dt.date | None = None, _kept: KeptPages | None = None) -> Fetched:
        """See ``Source.fetch``."""
        feed = parse_feed(http.get(self.url), self.url)
        source = digest_source("arxiv" if feed.is_arxiv else "feed", self.url)
        return Fetched(source, feed.title, feed.papers, skipped=feed.skipped)
