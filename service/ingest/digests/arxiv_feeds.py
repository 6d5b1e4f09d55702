"""RSS and Atom feeds: the arXiv API, arXiv's daily RSS, and feeds of journals.

feedparser knows all dialects, but accepts broken XML and may fetch addresses. Therefore expat checks the document
first, and feedparser gets it as bytes.
"""

import calendar
import datetime as dt
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id, derived_paper_id, doi
from service.domain.papers import Paper
from service.ingest.digests.feed_xml import utf8_feed
from service.ingest.papers import SeenPapers, plain_text, short_name, snippet, valid_paper, web_address
from service.ingest.third_party import third_party_parser

_ANNOUNCEMENT = re.compile(r"^\s*arXiv:\S+\s+Announce Type:\s*[\w-]+\s+(?:Abstract:\s*)?", re.IGNORECASE)
_TITLE_SUFFIX = re.compile(r"\s*\(arXiv:[^()]*\)\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed.

    Attributes:
        date: Day when the feed was made (UTC); None if unknown.
        is_arxiv: Whether every paper has an arXiv id.
    """

    title: str
    date: dt.date | None
    papers: tuple[Paper, ...]
    is_arxiv: bool


def parse_feed(data: bytes, source: str) -> ParsedFeed:
    """Return the feed with its entries in order.

    arXiv ids lose their version, texts lose their HTML, and ``published_at`` is the time of first publication; times of
    updates are ignored.

    Raises:
        InvalidFile: Not well-formed XML, not a feed, arXiv's answer to a wrong query, or an entry without title.
    """
    document = utf8_feed(data, source)
    with third_party_parser(source, "RSS or Atom", "feedparser"):
        import feedparser

        # A stream, because feedparser opens the address or file that bytes or a text may name.
        # Not sanitised, because feedparser takes "n<m" in an abstract for a tag; plain_text does not.
        parsed = feedparser.parse(io.BytesIO(document), sanitize_html=False, resolve_relative_uris=False)
        # Plain dictionaries, because feedparser's own return another field's date for a missing one.
        feed, entries = dict(parsed.feed), [dict(entry) for entry in parsed.entries]
    seen = SeenPapers(source)
    papers: list[Paper] = []
    for index, entry in enumerate(entries, start=1):
        place = f"entry {index}"
        papers.append(valid_paper(_paper(entry, source), source, place=place))
        seen.add(papers[-1].paper_id, place)
    is_arxiv = bool(papers) and all(paper.paper_id.startswith("arxiv:") for paper in papers)
    made_at = _time(feed, "published", "updated")
    return ParsedFeed(plain_text(_text(feed, "title")), made_at.date() if made_at else None, tuple(papers), is_arxiv)


def _paper(entry: Mapping[str, Any], source: str) -> Paper:
    link, entry_id = short_name(_text(entry, "link")), short_name(_text(entry, "id"))
    if "arxiv.org/api/errors" in entry_id:
        raise InvalidFile(source, f"is arXiv's answer to a wrong query: {snippet(plain_text(_text(entry, 'summary')))}")
    title = _TITLE_SUFFIX.sub("", plain_text(_text(entry, "title")))
    paper = Paper(
        paper_id=derived_paper_id(title, link),
        title=title,
        abstract=_ANNOUNCEMENT.sub("", plain_text(_text(entry, "summary"))),
        authors=tuple(_authors(entry)),
        categories=tuple(plain_text(_text(tag, "term")) for tag in _list(entry, "tags")),
        url=web_address(link),
        published_at=_published_at(entry),
    )
    if arxiv := arxiv_id(link) or arxiv_id(entry_id.replace("oai:arXiv.org:", "arxiv:")):
        authors = tuple(name for names in paper.authors for name in names.split(", "))  # one dc:creator holds all names
        return replace(paper, paper_id=f"arxiv:{arxiv}", url=f"https://arxiv.org/abs/{arxiv}", authors=authors)
    for field in ("prism_doi", "dc_identifier", "id"):
        if found := doi(short_name(_text(entry, field))):
            return replace(paper, paper_id=f"doi:{found}", url=paper.url or f"https://doi.org/{found}")
    return paper


def _authors(entry: Mapping[str, Any]) -> list[str]:
    names = [plain_text(_text(author, "name")) for author in _list(entry, "authors")]
    return names if any(names) else [plain_text(_text(entry, "author"))]


def _published_at(entry: Mapping[str, Any]) -> dt.datetime | None:
    # arXiv's RSS gives the day of announcement, but a replaced paper was published before.
    if _text(entry, "arxiv_announce_type").startswith("replace"):
        return None
    return _time(entry, "published")


def _time(values: Mapping[str, Any], *names: str) -> dt.datetime | None:
    for name in names:
        moment = values.get(f"{name}_parsed")
        try:
            if moment is not None:
                return dt.datetime.fromtimestamp(calendar.timegm(moment), dt.UTC)
        except (ValueError, OverflowError, OSError):  # e.g. the year 0
            continue
    return None


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _list(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = values.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
