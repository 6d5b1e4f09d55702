"""Reading of digest files in any supported format."""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from service.domain.errors import InvalidField, InvalidFile
from service.domain.papers import Paper, check_digest_date
from service.ingest.digests.arxiv_feeds import parse_feed
from service.ingest.digests.feed_entries import is_json_feed
from service.ingest.digests.hf_daily import parse_hf_daily
from service.ingest.digests.markdown_list import has_table, looks_like_markdown, parse_markdown_list
from service.ingest.digests.origin import digest_source
from service.ingest.digests.trending_page import has_header, parse_trending_page
from service.ingest.jsonl import iter_papers
from service.ingest.problems import Problem
from service.ingest.source import Content, Source, read_bytes, read_text, source_name

DigestFormat: TypeAlias = Literal["auto", "trending-page", "hf-daily", "feed", "jsonl", "markdown"]
FORMATS = (
    "RSS, Atom, JSON Feed, daily-papers JSON, JSON Lines of papers, Markdown lists of papers with titles and links, "
    "and the text of the Hugging Face trending page"
)


@dataclass(frozen=True, slots=True)
class ParsedDigest:
    """A digest from a file.

    Attributes:
        source: Where the papers come from, e.g. ``hf-trending`` or ``feed/journal.example``; the default digest id is
            made from it.
        papers: At least one paper, in the file's order, each paper_id once.
        skipped: Entries that were left out.
        replaced_count: New versions of older papers on arXiv, which were left out too.
    """

    date: dt.date
    source: str
    title: str
    papers: tuple[Paper, ...]
    skipped: tuple[Problem, ...] = ()
    replaced_count: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """A file before its date is known."""

    source: str
    title: str
    papers: tuple[Paper, ...]
    date: dt.date | None = None
    skipped: tuple[Problem, ...] = ()
    replaced_count: int = 0


def read_digest(
    source: Source,
    *,
    date: dt.date | None,
    now: dt.datetime,
    format: DigestFormat = "auto",  # noqa: A002 - named like the format
) -> ParsedDigest:
    """Return the digest of a file.

    Args:
        date: Date of the digest. None means the file's own date, which daily-papers JSON and most feeds have.
        now: The time now, with its zone. A digest may be dated at most one day later.
        format: Format of the file; ``auto`` detects it from its beginning.

    Raises:
        InvalidField: ``date`` is out of range, or it is None and the file has no date.
        InvalidFile: The file cannot be read, breaks a rule of its format, or has no paper.
    """
    if date is not None:
        check_digest_date(date, now, "date")
    document = Content(source_name(source), read_bytes(source), is_unpacked=True)
    chosen = _detected_format(document.data) if format == "auto" else format
    read = _read(document, chosen, date)
    if not read.papers:
        raise InvalidFile(document.name, f"has no paper{_left_out(read)}")
    day = date or _checked_date(read.date, document.name, now)
    return ParsedDigest(day, read.source, read.title, read.papers, read.skipped, read.replaced_count)


def _left_out(read: _Read) -> str:
    if read.skipped:
        more = f", and {len(read.skipped) - 1} more were left out" if len(read.skipped) > 1 else ""
        return f": {read.skipped[0]}{more}"
    return f": it announces {read.replaced_count} new versions of older papers" if read.replaced_count else ""


def _detected_format(data: bytes) -> DigestFormat:
    head = data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"<", b"\xff\xfe<", b"\xfe\xff\x00<")):
        return "feed"
    if head.startswith(b"{"):
        return "feed" if is_json_feed(data) else "jsonl"
    # A Markdown list may begin with a link.
    if head.startswith(b"[") and not re.match(rb"\[[^\]{}]*\]\(", head):
        return "hf-daily"
    return "markdown" if looks_like_markdown(data.decode("utf-8", "replace")) else "trending-page"


def _read(document: Content, chosen: DigestFormat, date: dt.date | None) -> _Read:
    if chosen == "feed":
        feed = parse_feed(document.data, document.name)
        source = digest_source("arxiv" if feed.is_arxiv else "feed", feed.address or feed.title)
        return _Read(source, feed.title, feed.papers, feed.date, feed.skipped, feed.replaced_count)
    if chosen == "hf-daily":
        papers, own_date, skipped = parse_hf_daily(read_text(document), document.name)
        return _Read("hf-daily", "Daily papers", papers, own_date, skipped)
    if date is None:
        raise InvalidField("date", "is required: files of this format have no date")
    if chosen == "jsonl":
        return _Read(_file_source("papers", document.name), "", tuple(iter_papers(document)))
    text = read_text(document)
    if chosen == "markdown":
        papers, skipped = parse_markdown_list(text, document.name)
        return _Read(_file_source("list", document.name), "", papers, skipped=skipped)
    if has_table(text):
        raise InvalidFile(document.name, f"is a Markdown table, which cannot be read; digests can be {FORMATS}")
    try:
        papers = parse_trending_page(text, document.name, date=date)
    except InvalidFile as error:
        if has_header(text):
            raise
        raise InvalidFile(document.name, f"{error.problem}; digests can be {FORMATS}", line=error.line) from error
    return _Read("hf-trending", "Trending papers", papers)


def _file_source(kind: str, name: str) -> str:
    """Return the name of the file as the source, for formats that do not name one."""
    return digest_source(kind, re.sub(r"(?:\.(?:gz|jsonl?|ndjson|md|markdown|txt))+$", "", Path(name).name))


def _checked_date(own_date: dt.date | None, name: str, now: dt.datetime) -> dt.date:
    if own_date is None:
        raise InvalidField("date", "is required: the file has no date")
    try:
        return check_digest_date(own_date, now, "date")
    except InvalidField as error:
        raise InvalidFile(name, f"its own date {error.problem}; give the date") from error
