"""What every source of papers has in common. Each source is a module of its own."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.domain.errors import InvalidFile, SourceUnavailable
from service.domain.papers import Paper
from service.fetch.http import Http
from service.fetch.kept_pages import KeptPages
from service.ingest.problems import Problem


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


class Source(Protocol):
    """A source of new papers, such as an archive or a feed."""

    @property
    def name(self) -> str:
        """Name for people, such as ``bioRxiv neuroscience``."""

    def address(self, day: dt.date) -> str:
        """Return an address of the source that answers quickly if the source is there."""

    def fetch(self, http: Http, day: dt.date, kept: KeptPages) -> Fetched:
        """Return the new papers of a day.

        Args:
            kept: Pages of an earlier fetch that did not end, which are not requested again. Sources that answer with
                one page ignore it.

        Raises:
            InvalidField: A setting of the source cannot be used, such as the name of a category.
            SourceUnavailable: The source does not answer; ``Fetched.problem`` tells of a partial answer instead.
            InvalidFile: The answer is of another kind than the source's.
        """


class Page(Protocol):
    """One page of the answer to a search."""

    @property
    def papers(self) -> Sequence[Paper]:
        """The papers of the page."""

    @property
    def skipped(self) -> Sequence[Problem]:
        """Entries that were left out."""


class EndlessSearch(Exception):
    """The search would not end; the text says why."""


def fetched(source: str, title: str, pages: Iterable[Page], kept: KeptPages) -> Fetched:
    """Return the papers of all pages. If a later page fails or the search would not end, the answer is partial.

    Raises:
        SourceUnavailable, InvalidFile: The first page failed.
    """
    found: dict[str, Paper] = {}
    skipped: list[Problem] = []
    problem = ""
    try:
        for page in pages:
            skipped.extend(page.skipped)
            for paper in page.papers:
                found.setdefault(paper.paper_id, paper)
    except (SourceUnavailable, InvalidFile) as error:
        if not found:
            raise
        problem = str(error)
    except EndlessSearch as error:
        problem = str(error)
        kept.forget()  # the problem may be in the kept pages
    return Fetched(source, title, tuple(found.values()), problem, tuple(skipped))
