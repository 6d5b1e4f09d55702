"""Where papers appear: arXiv's announcements and its search, the daily-papers API, any RSS or Atom feed.

arXiv's announcement feed has what was made public that day, papers that waited in moderation too. The search goes by
the day of submission; such papers come into it days later, so ask it for overlapping windows of some days: what was
stored before is only met again.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.errors import InvalidField, InvalidFile, SourceUnavailable
from service.domain.papers import Paper
from service.fetch.http import Http, Passing
from service.fetch.kept_pages import KeptPages
from service.ingest.digests.arxiv_feeds import parse_feed
from service.ingest.digests.hf_daily import parse_hf_daily
from service.ingest.source import decode_utf8

PAGE_SIZE = 100
MAX_PAGES = 300
"""arXiv gives no more than 30,000 papers of one search."""
_CATEGORY = re.compile(r"^[a-z-]+(\.[A-Za-z-]+)?$")
_TOTAL = re.compile(rb"<(?:\w+:)?totalResults[^>]*>\s*(\d+)\s*<")
_ENTRY = re.compile(rb"<(?:\w+:)?entry[\s>]")


@dataclass(frozen=True)
class Fetched:
    """What a source gave.

    Attributes:
        papers: Each once, in the source's order.
        problem: Why it is not all; empty where it is.
    """

    source_name: str
    title: str
    papers: tuple[Paper, ...]
    problem: str = ""


def arxiv_announced(http: Http, base_url: str, categories: Sequence[str]) -> Fetched:
    """What arXiv announced today in these categories, new papers and cross-lists; replacements are left out.

    Raises:
        InvalidField: A category that arXiv cannot have.
        SourceUnavailable: It cannot be had.
        InvalidFile: What came is no feed.
    """
    url = f"{base_url.rstrip('/')}/atom/{'+'.join(check_categories(categories))}"
    feed = parse_feed(http.get(url, check=_is_xml), url)
    return Fetched("arxiv", feed.title, tuple(paper for paper in feed.papers if paper.published_at is not None))


class _NoEnd(Exception):
    """The search would go on for ever."""


def arxiv_submitted(
    http: Http,
    base_url: str,
    categories: Sequence[str],
    first_day: dt.date,
    last_day: dt.date,
    kept: KeptPages | None = None,
) -> Fetched:
    """What was submitted to arXiv in these categories on these days, both included, earliest first.

    Papers that came are given when a later page fails, when a page brings only what was there before, and after
    MAX_PAGES; ``problem`` then says which and why.

    Args:
        kept: Pages of the same search, broken off before; they are not asked for again, and new ones go there.

    Raises:
        InvalidField: A category that arXiv cannot have.
        SourceUnavailable: Not even the first page can be had.
        InvalidFile: The first page is no feed, or arXiv's word that the query is wrong.
    """
    names = " OR ".join(f"cat:{name}" for name in check_categories(categories))
    query = f"({names}) AND submittedDate:[{first_day:%Y%m%d}0000 TO {last_day:%Y%m%d}2359]"
    url, kept = f"{base_url.rstrip('/')}/api/query", kept or KeptPages(None)
    found: dict[str, Paper] = {}
    problem = ""
    try:
        for papers in _pages(http, url, query, kept):
            for paper in papers:
                found.setdefault(paper.paper_id, paper)
    except (SourceUnavailable, InvalidFile) as error:
        if not found:
            raise
        problem = str(error)
    except _NoEnd as error:
        problem = str(error)
        kept.forget()  # what goes wrong may be in them
    days = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
    return Fetched("arxiv", f"arXiv {', '.join(categories)}, submitted {days}", tuple(found.values()), problem)


def hf_daily(http: Http, base_url: str, date: dt.date) -> Fetched:
    """The daily papers of that day; none on many weekends.

    Raises:
        SourceUnavailable: They cannot be had.
        InvalidFile: What came is not a list of daily papers.
    """
    url = f"{base_url.rstrip('/')}/api/daily_papers"
    body = http.get(url, {"date": date.isoformat(), "limit": "100"}, check=_is_json)
    name = f"{url}?date={date}"
    papers, _ = parse_hf_daily(decode_utf8(body, name), name)
    return Fetched("hf-daily", f"Daily papers, {date}", papers)


def any_feed(http: Http, url: str) -> Fetched:
    """The entries of an RSS or Atom feed.

    Raises:
        SourceUnavailable: It cannot be had.
        InvalidFile: What came is no feed.
    """
    feed = parse_feed(http.get(url, check=_is_xml), url)
    return Fetched("arxiv" if feed.is_arxiv else "feed", feed.title, feed.papers)


def check_categories(categories: Sequence[str]) -> list[str]:
    """Categories as arXiv writes them.

    Raises:
        InvalidField: Names the one that is not.
    """
    if not categories:
        raise InvalidField("categories", "at least one is needed, e.g. cs.LG")
    for name in categories:
        if not _CATEGORY.match(name):
            raise InvalidField("categories", f"'{name}' is not a category such as cs.LG")
    return list(categories)


def _pages(http: Http, url: str, query: str, kept: KeptPages) -> Iterator[tuple[Paper, ...]]:
    start = total = 0
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        data = kept.find(f"{url}?{query}", start)
        if data is None:
            data = _ask(http, url, query, start)
        papers = parse_feed(data, f"{url} from {start}").papers
        kept.keep(f"{url}?{query}", start, data)  # only what can be read
        ids = {paper.paper_id for paper in papers}
        if ids and ids <= seen:
            raise _NoEnd(f"{url}: from {start} on it only repeats papers")
        seen |= ids
        yield papers
        total = _total(data)
        # By what came, not by what was asked for: a short page must not leave a gap.
        start += len(_ENTRY.findall(data))
        if start >= total:
            return
    raise _NoEnd(f"{url}: it has {total} papers, and {MAX_PAGES} pages gave {start} of them; no more are asked for")


def _ask(http: Http, url: str, query: str, start: int) -> bytes:
    params = {
        "search_query": query,
        "start": str(start),
        "max_results": str(PAGE_SIZE),
        "sortBy": "submittedDate",
        "sortOrder": "ascending",
    }
    return http.get(url, params, check=lambda body: _check_page(body, start))


def _check_page(body: bytes, start: int) -> None:
    """Now and then arXiv answers with no entry although there are some; the next try has them."""
    _is_xml(body)
    if start < _total(body) and not _ENTRY.search(body):
        raise Passing(f"it has {_total(body)} papers and gave none from {start} on")


def _total(body: bytes) -> int:
    match = _TOTAL.search(body)
    return int(match[1]) if match else 0


def _is_xml(body: bytes) -> None:
    head = body[:500].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise Passing("it answered with a web page in place of a feed")


def _is_json(body: bytes) -> None:
    try:
        json.loads(body)
    except ValueError:
        raise Passing("it answered with something else than JSON") from None
