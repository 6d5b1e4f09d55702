"""bioRxiv and medRxiv as sources. One API serves both: https://api.biorxiv.org.

The API lists preprints by the day of posting, in pages of 30 or 100 entries, and lists each new version of a preprint
again. Only first versions are new papers. Posts of a day appear during that day, so fetch yesterday's with today's.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.domain.errors import InvalidField
from service.fetch.http import Http, check_json
from service.fetch.kept_pages import KeptPages
from service.fetch.source import EndlessSearch, Fetched, fetched
from service.ingest.digests.origin import digest_source
from service.ingest.digests.preprints import PreprintPage, parse_preprints
from service.ingest.source import decode_utf8

BIORXIV, MEDRXIV = "biorxiv", "medrxiv"
NAMES = {BIORXIV: "bioRxiv", MEDRXIV: "medRxiv"}
MAX_PAGES = 300
_CATEGORY = re.compile(r"[a-z][a-z ,&'-]*")


@dataclass(frozen=True)
class Preprints:
    """bioRxiv or medRxiv as a ``Source``.

    Attributes:
        base_url: Base URL of the API.
        server: BIORXIV or MEDRXIV.
        categories: Subject categories such as ``neuroscience`` or ``cell_biology``; none means all of them.
        days: Number of days of posting, up to the day that is fetched.
    """

    base_url: str
    server: str
    categories: tuple[str, ...] = ()
    days: int = 2

    @property
    def name(self) -> str:
        """Name for people."""
        return " ".join([NAMES[self.server], ", ".join(self.categories)]).strip()

    def address(self, day: dt.date) -> str:
        """See ``Source.address``."""
        return f"{self.base_url.rstrip('/')}/details/{self.server}/{day}/{day}/0/json"

    def fetch(self, http: Http, day: dt.date, kept: KeptPages) -> Fetched:
        """See ``Source.fetch``. The answer is partial if a later page fails, or if a page only repeats papers."""
        first = day - dt.timedelta(days=self.days - 1)
        interval = f"{self.base_url.rstrip('/')}/details/{self.server}/{first}/{day}"
        subjects = [_subject(name) for name in self.categories] or [""]
        pages = (page for subject in subjects for page in _pages(http, interval, subject, kept))
        source = digest_source(self.server, "+".join(sorted(set(self.categories))))
        title = f"{self.name}, posted {first} to {day}" if self.days > 1 else f"{self.name}, posted {day}"
        return fetched(source, title, pages, kept)


def _subject(name: str) -> str:
    """Return the name of a category as the API writes it: in small letters, with spaces.

    Raises:
        InvalidField: The name cannot be a category.
    """
    subject = name.strip().lower().replace("_", " ")
    if not _CATEGORY.fullmatch(subject):
        raise InvalidField("categories", f"'{name}' is not a category such as cell_biology")
    return subject


def _pages(http: Http, interval: str, category: str, kept: KeptPages) -> Iterator[PreprintPage]:
    start = 0
    seen: set[tuple[str, str]] = set()
    for _ in range(MAX_PAGES):
        url, search = f"{interval}/{start}/json", f"{interval}?category={category}"
        data = kept.find(search, start)
        if data is None:
            data = http.get(url, {"category": category} if category else None, check=check_json)
        page = parse_preprints(decode_utf8(data, url), url, category)
        kept.keep(search, start, data)  # only after it could be parsed
        if page.versions and page.versions <= seen:
            raise EndlessSearch(f"{url}: the page only repeats earlier preprints")
        seen |= page.versions
        yield page
        # Advance by the entries that came: the API has changed the size of its pages.
        start += page.entry_count
        if start >= page.total:
            return
        if not page.entry_count:
            raise EndlessSearch(f"{url}: the page is empty, and {page.total - start} preprints are missing")
    raise EndlessSearch(f"{interval}: stopped after {MAX_PAGES} pages with {start} preprints")
