"""Papers of feeds: the arXiv API, arXiv's daily feeds, and feeds of journals, preprint servers and blogs."""

import datetime as dt
import re
from dataclasses import dataclass

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id, derived_paper_id, doi, title_alias
from service.domain.papers import MAX_CATEGORIES, MAX_CATEGORY_LENGTH, Paper
from service.ingest.digests.feed_entries import FeedEntry, read_feed
from service.ingest.digests.names import author_names
from service.ingest.digests.notices import described
from service.ingest.latex import latex_text
from service.ingest.papers import plain_text, short_name, snippet, valid_paper, web_address
from service.ingest.problems import Problem

# arXiv's older feeds end a title with "(arXiv:1901.00002v7 [cs.LG] UPDATED)"; others begin it with "[ASAP]".
_TITLE_SUFFIX = re.compile(r"\s*\(arXiv:[^()]*?(?P<updated>UPDATED)?\)\s*$", re.IGNORECASE)
_TITLE_PREFIX = re.compile(r"^\[ASAP\]\s+")
_DOI_IN_ADDRESS = re.compile(r"/doi/(?:abs/|full/|epdf/|pdf/)?(10\.\d{4,9}/[^?#\s]+)")
# Accents on a letter; "don\\'t" is an escaped apostrophe.
_ACCENT = (
    r"""\\(?:(?:["`^~=.]|'(?!(?:s|t|d|m|ll|re|ve)\b))\s?(?:\{\\?[A-Za-z]\}|\\?[A-Za-z])|"""
    r"[cvuHk](?:\{[A-Za-z]\}|\s[A-Za-z](?![A-Za-z])))"
)
_TEX_ACCENT = re.compile(rf"\{{{_ACCENT}\}}|{_ACCENT}")


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed.

    Attributes:
        date: Day when the feed was made (UTC); None if unknown.
        papers: Each paper once, in the feed's order.
        is_arxiv: Whether every paper has an arXiv id.
        address: Address of the feed or of its web page; empty if unknown.
        skipped: Entries that were left out: without a title, repeated, or breaking a rule.
        replaced_count: Announcements of new versions of older papers, which are left out too.
    """

    title: str
    date: dt.date | None
    papers: tuple[Paper, ...]
    is_arxiv: bool
    address: str = ""
    skipped: tuple[Problem, ...] = ()
    replaced_count: int = 0


def parse_feed(data: bytes, source: str) -> ParsedFeed:
    """Return the papers of an RSS, Atom or JSON Feed document, with plain texts.

    arXiv ids lose their version, and ``published_at`` is the time of first publication; times of updates are ignored.

    Raises:
        InvalidFile: Not a feed, not well-formed, or arXiv's answer to a wrong query.
    """
    feed = read_feed(data, source)
    papers: dict[str, Paper] = {}
    places: dict[str, str] = {}
    skipped: list[Problem] = []
    replaced_count = 0
    for number, entry in enumerate(feed.entries, start=1):
        _check_no_error(entry, source)
        paper, announced_as = _paper(entry)
        if announced_as.startswith("replace"):
            replaced_count += 1
            continue
        problem = _problem(paper, places)
        if not problem:
            try:
                papers[paper.paper_id] = valid_paper(paper, source)
            except InvalidFile as error:
                problem = error.problem
        if problem:
            name = paper.title if len(paper.title) <= 60 else paper.title[:57] + "..."
            skipped.append(Problem(entry.line, name or f"entry {number}", problem))
        else:
            places[paper.paper_id] = f"line {entry.line}" if entry.line else f"entry {number}"
    return ParsedFeed(
        title=plain_text(feed.title)[:500],
        date=feed.made_at.date() if feed.made_at else None,
        papers=tuple(papers.values()),
        is_arxiv=bool(papers) and all(paper_id.startswith("arxiv:") for paper_id in papers),
        address=feed.address,
        skipped=tuple(skipped),
        replaced_count=replaced_count,
    )


def _check_no_error(entry: FeedEntry, source: str) -> None:
    if any("arxiv.org/api/errors" in name for name in entry.names):
        said = snippet(plain_text(" ".join(entry.texts)))
        raise InvalidFile(source, f"is arXiv's answer to a wrong query: {said}")


def _problem(paper: Paper, places: dict[str, str]) -> str:
    if not paper.title:
        return "has no title"
    return f"repeats the paper of {places[paper.paper_id]}" if paper.paper_id in places else ""


def _paper(entry: FeedEntry) -> tuple[Paper, str]:
    """Return the paper of an entry, not checked yet, and arXiv's type of its announcement."""
    link = short_name(entry.link.strip())
    names = [name.strip().replace("info:doi/", "doi:") for name in (*entry.names, link)]
    found_arxiv = next(
        filter(None, map(arxiv_id, (link, *(name.replace("oai:arXiv.org:", "arxiv:") for name in names)))), None
    )
    found_doi = next(filter(None, map(doi, names)), None) or _doi_in_address(link)
    title, is_updated = _title(entry.title)
    texts = described(entry.texts, title=title, doi=found_doi or "")
    url = web_address(link)
    if found_arxiv:
        paper_id, url = f"arxiv:{found_arxiv}", f"https://arxiv.org/abs/{found_arxiv}"
    elif found_doi:
        paper_id, url = f"doi:{found_doi}", url or f"https://doi.org/{found_doi}"
    elif title_alias(title) is None:
        # Such as "Editorial Board", of which every journal has many.
        paper_id = derived_paper_id(f"{title} {link}")
    else:
        paper_id = derived_paper_id(title)
    categories = [text for text in map(plain_text, entry.categories) if len(text) <= MAX_CATEGORY_LENGTH]
    paper = Paper(
        paper_id=paper_id,
        title=title,
        abstract=_with_accents(texts.abstract),
        authors=author_names(entry.authors or (texts.authors,), is_arxiv=found_arxiv is not None),
        categories=tuple(categories[:MAX_CATEGORIES]),
        url=url,
        published_at=entry.published_at,
    )
    return paper, "replace" if is_updated else entry.announced_as or texts.announced_as


def _title(text: str) -> tuple[str, bool]:
    """Return the title in plain text, and whether it announces a new version of an older paper."""
    title = _with_accents(plain_text(text))
    suffix = _TITLE_SUFFIX.search(title)
    is_updated = suffix is not None and suffix["updated"] is not None
    return _TITLE_PREFIX.sub("", title[: suffix.start()] if suffix else title), is_updated


def _doi_in_address(link: str) -> str | None:
    match = _DOI_IN_ADDRESS.search(link)
    return doi(match[1]) if match else None


def _with_accents(text: str) -> str:
    r"""Return the text with accents such as ``\"o`` and ``\v{c}`` as letters. Formulas stay as they are."""
    return _TEX_ACCENT.sub(lambda match: latex_text(match[0]), text) if "\\" in text else text
