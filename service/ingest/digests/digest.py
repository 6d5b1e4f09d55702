"""Reading of digest files in any supported format."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.domain.errors import InvalidField, InvalidFile
from service.domain.papers import Paper, check_digest_date
from service.ingest.digests.arxiv_feeds import parse_feed
from service.ingest.digests.hf_daily import parse_hf_daily
from service.ingest.digests.trending_page import parse_trending_page
from service.ingest.jsonl import iter_papers
from service.ingest.source import Content, Source, read_bytes, read_text, source_name

DigestFormat: TypeAlias = Literal["auto", "trending-page", "hf-daily", "feed", "jsonl"]


@dataclass(frozen=True, slots=True)
class ParsedDigest:
    """A digest from a file.

    Attributes:
        source_name: hf-trending, hf-daily, arxiv, feed or papers; the default digest id begins with it.
        papers: At least one paper, in the file's order, each paper_id once.
    """

    date: dt.date
    source_name: str
    title: str
    papers: tuple[Paper, ...]


def read_digest(
    source: Source,
    *,
    date: dt.date | None,
    now: dt.datetime,
    format: DigestFormat = "auto",  # noqa: A002 - named like the command-line option
) -> ParsedDigest:
    """Return the digest of a file.

    Args:
        date: Date of the digest. None takes the file's own date, which daily-papers JSON and most feeds have.
        now: The time now, with its zone. A digest may be dated at most one day later.
        format: Format of the file; ``auto`` detects it from the first character.

    Raises:
        InvalidField: ``date`` is out of range, or it is None and the file has no date.
        InvalidFile: The file cannot be read, breaks a rule of its format, or has no paper.
    """
    if date is not None:
        check_digest_date(date, now, "date")
    document = Content(source_name(source), read_bytes(source), is_unpacked=True)
    chosen = _detected_format(document.data) if format == "auto" else format
    kind, title, papers, own_date = _read(document, chosen, date)
    if not papers:
        raise InvalidFile(document.name, "has no paper")
    return ParsedDigest(date or _checked_date(own_date, document.name, now), kind, title, papers)


def _detected_format(data: bytes) -> DigestFormat:
    head = data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"<", b"\xff\xfe<", b"\xfe\xff\x00<")):
        return "feed"
    if head.startswith(b"["):
        return "hf-daily"
    return "jsonl" if head.startswith(b"{") else "trending-page"


def _read(
    document: Content, chosen: DigestFormat, date: dt.date | None
) -> tuple[str, str, tuple[Paper, ...], dt.date | None]:
    """Return source name, title, papers and the file's own date."""
    if chosen == "feed":
        feed = parse_feed(document.data, document.name)
        return "arxiv" if feed.is_arxiv else "feed", feed.title, feed.papers, feed.date
    if chosen == "hf-daily":
        papers, own_date = parse_hf_daily(read_text(document), document.name)
        return "hf-daily", "Daily papers", papers, own_date
    if date is None:
        raise InvalidField("date", "is required: files of this format have no date")
    if chosen == "jsonl":
        return "papers", "", tuple(iter_papers(document)), None
    page = parse_trending_page(read_text(document), document.name, date=date)
    return "hf-trending", "Trending papers", page, None


def _checked_date(own_date: dt.date | None, name: str, now: dt.datetime) -> dt.date:
    if own_date is None:
        raise InvalidField("date", "is required: the file has no date")
    try:
        return check_digest_date(own_date, now, "date")
    except InvalidField as error:
        raise InvalidFile(name, f"its own date {error.problem}; give the date") from error
