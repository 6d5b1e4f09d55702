"""What every source of papers has in common. Each source is a module of its own."""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

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
