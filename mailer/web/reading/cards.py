"""Prepares papers for the templates: one card each, with readable texts and the user's reaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from mailer.domain.feed import FeedPaper
from mailer.issues.reasons import in_words
from mailer.issues.text import authors_in_words, readable, shortened
from mailer.web.reading.why import why_url

MAX_REASONS = 3


@dataclass(frozen=True)
class Card:
    """A paper as a template shows it.

    Attributes:
        rank: One-based place in the list.
        slate_id: Slate that shows the paper; empty outside feeds.
        held: Event type of the user's reaction that holds: like, save or dislike; empty if there is none.
        url: Address of the paper, on another site; empty if unknown.
        page_url: Our own page of the paper.
        why_url: Our page that explains the paper's place.
    """

    rank: int
    paper_id: str
    slate_id: str
    held: str
    title: str
    authors: str
    categories: tuple[str, ...]
    published: str
    why: str
    abstract: str
    url: str
    arxiv_id: str
    pdf_url: str
    page_url: str
    why_url: str


def cards(papers: Iterable[FeedPaper], slate_id: str = "", *, held: Mapping[str, str] | None = None) -> list[Card]:
    """Return the cards of papers.

    Args:
        held: The user's reactions by paper_id; None means none.
    """
    return [_card(paper, slate_id, (held or {}).get(paper.paper_id, "")) for paper in papers]


def _card(paper: FeedPaper, slate_id: str, held: str) -> Card:
    return Card(
        rank=paper.position,
        paper_id=paper.paper_id,
        slate_id=slate_id,
        held=held,
        title=readable(paper.title),
        authors=shortened(authors_in_words(paper.authors, 4), 200),
        categories=tuple(readable(each) for each in paper.categories[:4]),
        published=f"{paper.published_at:%-d %b %Y}" if paper.published_at else "",
        why=in_words(paper.reasons, MAX_REASONS),
        abstract=readable(paper.abstract),
        url=paper.web_url,
        arxiv_id=paper.arxiv_id,
        pdf_url=paper.pdf_url,
        page_url=f"/paper/{quote(paper.paper_id)}" + (f"?{urlencode({'slate': slate_id})}" if slate_id else ""),
        why_url=why_url(paper.paper_id, slate_id),
    )
