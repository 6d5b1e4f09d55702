"""arXiv as a source: its announcements of a day, its search by day of submission, and papers by their ids.

The announcement feed has the papers that were published that day, including papers that waited in moderation. The
search goes by the day of submission, so moderated papers appear in it days later: search overlapping windows of some
days. Papers that are stored already do no harm.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.errors import InvalidField
from service.domain.papers import Paper
from service.fetch.http import Http, TemporaryFailure
from service.fetch.kept_pages import KeptPages
from service.fetch.source import EndlessSearch, Fetched, fetched
from service.ingest.digests.arxiv_feeds import ParsedFeed, parse_feed
from service.ingest.digests.origin import digest_source

PAGE_SIZE = 100
MAX_PAGES = 300
"""arXiv returns at most 30,000 papers per search."""
_CATEGORY = re.compile(r"^[a-z-]+(\.[A-Za-z-]+)?$")
_TOTAL = re.compile(rb"<(?:\w+:)?totalResults[^>]*>\s*(\d+)\s*<")
_ENTRY = re.compile(rb"<(?:\w+:)?entry[\s>]")


@dataclass(frozen=True)
class Arxiv:
    """arXiv as a ``Source``.

    Attributes:
        feed_url: Base URL of the announcement feeds.
        api_url: Base URL of the search.
        categories: Such as ``cs.LG``.
        days: Number of days of submission to search, up to the day that is fetched; 0 reads today's announcements.
    """

    feed_url: str
    api_url: str
    categories: tuple[str, ...]
    days: int = 0

    @property
    def name(self) -> str:
        """Name for people."""
        return f"arXiv {', '.join(self.categories)}"

    def address(self, _day: dt.date) -> str:
        """See ``Source.address``."""
        return _announcements(self.feed_url, self.categories)

    def fetch(self, http: Http, day: dt.date, kept: KeptPages) -> Fetched:
        """See ``Source.fetch``."""
        if not self.days:
            return arxiv_announced(http, self.feed_url, self.categories)
        first = day - dt.timedelta(days=self.days - 1)
        return arxiv_submitted(http, self.api_url, self.categories, first, day, kept)


def arxiv_announced(http: Http, base_url: str, categories: Sequence[str]) -> Fetched:
    """Return the papers that arXiv announced today in these categories: new papers and cross-lists, no replacements.

    Raises:
        InvalidField: A name cannot be an arXiv category.
        SourceUnavailable: The feed cannot be fetched.
        InvalidFile: The answer is not a feed.
    """
    url = _announcements(base_url, categories)
    feed = parse_feed(http.get(url, check=_is_xml), url)
    return Fetched(_arxiv_source(categories), feed.title, feed.papers, skipped=feed.skipped)


def arxiv_submitted(
    http: Http,
    base_url: str,
    categories: Sequence[str],
    first_day: dt.date,
    last_day: dt.date,
    kept: KeptPages | None = None,
) -> Fetched:
    """Return the papers submitted to arXiv in these categories between these days, both included, earliest first.

    The result may be partial: if a later page fails, if a page only repeats papers, or after MAX_PAGES. Then
    ``problem`` names the page and the reason.

    Args:
        kept: Kept pages of the same search, which are not requested again. New pages are added to it.

    Raises:
        InvalidField: A name cannot be an arXiv category.
        SourceUnavailable: The first page cannot be fetched.
        InvalidFile: The first page is not a feed, or says that the query is wrong.
    """
    names = " OR ".join(f"cat:{name}" for name in check_categories(categories))
    query = f"({names}) AND submittedDate:[{first_day:%Y%m%d}0000 TO {last_day:%Y%m%d}2359]"
    url, kept = f"{base_url.rstrip('/')}/api/query", kept or KeptPages(None)
    days = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
    title = f"arXiv {', '.join(categories)}, submitted {days}"
    return fetched(_arxiv_source(categories), title, _pages(http, url, query, kept), kept)


def arxiv_papers(http: Http, base_url: str, ids: Sequence[str]) -> dict[str, Paper]:
    """Return the papers with these arXiv ids, without versions, by id. Ids that arXiv does not know are missing.

    Raises:
        SourceUnavailable: A page cannot be fetched.
        InvalidFile: The answer is not a feed.
    """
    url, found = f"{base_url.rstrip('/')}/api/query", dict[str, Paper]()
    for start in range(0, len(ids), PAGE_SIZE):
        wanted = ids[start : start + PAGE_SIZE]
        params = {"id_list": ",".join(wanted), "max_results": str(len(wanted))}
        page = parse_feed(http.get(url, params, check=_is_xml), url)
        found |= {paper.paper_id.removeprefix("arxiv:"): paper for paper in page.papers}
    return found


def _announcements(base_url: str, categories: Sequence[str]) -> str:
    return f"{base_url.rstrip('/')}/atom/{'+'.join(check_categories(categories))}"


def _arxiv_source(categories: Sequence[str]) -> str:
    return digest_source("arxiv", "+".join(sorted(set(categories))))


def check_categories(categories: Sequence[str]) -> list[str]:
    """Return the names, if they can be arXiv categories.

    Raises:
        InvalidField: There is no name, or a name cannot be a category.
    """
    if not categories:
        raise InvalidField("categories", "at least one is needed, e.g. cs.LG")
    for name in categories:
        if not _CATEGORY.match(name):
            raise InvalidField("categories", f"'{name}' is not a category such as cs.LG")
    return list(categories)


def _pages(http: Http, url: str, query: str, kept: KeptPages) -> Iterator[ParsedFeed]:
    start = total = 0
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        data = kept.find(f"{url}?{query}", start)
        if data is None:
            data = _requested_page(http, url, query, start)
        page = parse_feed(data, f"{url} from {start}")
        kept.keep(f"{url}?{query}", start, data)  # only after it could be parsed
        ids = {paper.paper_id for paper in page.papers}
        if ids and ids <= seen:
            raise EndlessSearch(f"{url}: the page that starts at result {start} only repeats earlier papers")
        seen |= ids
        yield page
        total = _total(data)
        # Advance by the entries that came, so that a short page leaves no gap.
        start += len(_ENTRY.findall(data))
        if start >= total:
            return
    raise EndlessSearch(f"{url}: stopped after {MAX_PAGES} pages with {start} of {total} papers")


def _requested_page(http: Http, url: str, query: str, start: int) -> bytes:
    params = {
        "search_query": query,
        "start": str(start),
        "max_results": str(PAGE_SIZE),
        "sortBy": "submittedDate",
        "sortOrder": "ascending",
    }
    return http.get(url, params, check=lambda body: _check_page(body, start))


def _check_page(body: bytes, start: int) -> None:
    """Raise TemporaryFailure for a page without entries where there are some. arXiv sometimes sends one."""
    _is_xml(body)
    if start < _total(body) and not _ENTRY.search(body):
        raise TemporaryFailure(f"it has {_total(body)} papers, but sent none from {start} on")


def _total(body: bytes) -> int:
    match = _TOTAL.search(body)
    return int(match[1]) if match else 0


def _is_xml(body: bytes) -> None:
    head = body[:500].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise TemporaryFailure("it sent a web page in place of a feed")
