"""Sources of papers: arXiv's announcements and its search, the daily-papers API, and any RSS or Atom feed.

arXiv's announcement feed has the papers that were published that day, including papers that waited in moderation. The
search goes by the day of submission, so moderated papers appear in it days later: search overlapping windows of some
days. Papers that are stored already do no harm.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.errors import InvalidField, InvalidFile, SourceUnavailable
from service.domain.papers import Paper
from service.fetch.http import Http, TemporaryFailure
from service.fetch.kept_pages import KeptPages
from service.ingest.digests.arxiv_feeds import ParsedFeed, parse_feed
from service.ingest.digests.hf_daily import parse_hf_daily
from service.ingest.digests.origin import digest_source
from service.ingest.problems import Problem
from service.ingest.source import decode_utf8

PAGE_SIZE = 100
MAX_PAGES = 300
"""arXiv returns at most 30,000 papers per search."""
_CATEGORY = re.compile(r"^[a-z-]+(\.[A-Za-z-]+)?$")
_TOTAL = re.compile(rb"<(?:\w+:)?totalResults[^>]*>\s*(\d+)\s*<")
_ENTRY = re.compile(rb"<(?:\w+:)?entry[\s>]")


@dataclass(frozen=True)
class Fetched:
    """Papers from a source.

    Attributes:
        source: Where the papers come from, as in ``ParsedDigest``.
        papers: Each paper once, in the source's order.
        problem: Why papers are missing; empty if none are.
        skipped: Entries that were left out.
    """

    source: str
    title: str
    papers: tuple[Paper, ...]
    problem: str = ""
    skipped: tuple[Problem, ...] = ()


def arxiv_announced(http: Http, base_url: str, categories: Sequence[str]) -> Fetched:
    """Return the papers that arXiv announced today in these categories: new papers and cross-lists, no replacements.

    Raises:
        InvalidField: A name cannot be an arXiv category.
        SourceUnavailable: The feed cannot be fetched.
        InvalidFile: The answer is not a feed.
    """
    url = f"{base_url.rstrip('/')}/atom/{'+'.join(check_categories(categories))}"
    feed = parse_feed(http.get(url, check=_is_xml), url)
    return Fetched(_arxiv_source(categories), feed.title, feed.papers, skipped=feed.skipped)


class _EndlessSearch(Exception):
    """The search would not end."""


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
    found: dict[str, Paper] = {}
    skipped: list[Problem] = []
    problem = ""
    try:
        for page in _pages(http, url, query, kept):
            skipped.extend(page.skipped)
            for paper in page.papers:
                found.setdefault(paper.paper_id, paper)
    except (SourceUnavailable, InvalidFile) as error:
        if not found:
            raise
        problem = str(error)
    except _EndlessSearch as error:
        problem = str(error)
        kept.forget()  # the problem may be in the kept pages
    days = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
    title = f"arXiv {', '.join(categories)}, submitted {days}"
    return Fetched(_arxiv_source(categories), title, tuple(found.values()), problem, tuple(skipped))


def hf_daily(http: Http, base_url: str, date: dt.date) -> Fetched:
    """Return the daily papers of a day. Many weekends have none.

    Raises:
        SourceUnavailable: The list cannot be fetched.
        InvalidFile: The answer is not a list of daily papers.
    """
    url = f"{base_url.rstrip('/')}/api/daily_papers"
    body = http.get(url, {"date": date.isoformat(), "limit": "100"}, check=_is_json)
    name = f"{url}?date={date}"
    papers, _, skipped = parse_hf_daily(decode_utf8(body, name), name)
    return Fetched("hf-daily", f"Daily papers, {date}", papers, skipped=skipped)


def any_feed(http: Http, url: str) -> Fetched:
    """Return the entries of an RSS, Atom or JSON Feed.

    Raises:
        SourceUnavailable: The feed cannot be fetched.
        InvalidFile: The answer is not a feed.
    """
    feed = parse_feed(http.get(url), url)
    source = digest_source("arxiv" if feed.is_arxiv else "feed", url)
    return Fetched(source, feed.title, feed.papers, skipped=feed.skipped)


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
            raise _EndlessSearch(f"{url}: the page that starts at result {start} only repeats earlier papers")
        seen |= ids
        yield page
        total = _total(data)
        # Advance by the entries that came, so that a short page leaves no gap.
        start += len(_ENTRY.findall(data))
        if start >= total:
            return
    raise _EndlessSearch(f"{url}: stopped after {MAX_PAGES} pages with {start} of {total} papers")


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


def _is_json(body: bytes) -> None:
    try:
        json.loads(body)
    except ValueError:
        raise TemporaryFailure("its answer is not JSON") from None
