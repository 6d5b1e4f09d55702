"""Liked papers as the serving bundle sees them, kept from user to user: many readers like the same."""

from collections.abc import Iterable, Mapping, Sequence

from batch.source import PaperSource
from ranker.spaces import PaperMatrix, stack_matrices
from service.app.matrices import matrix_of
from service.app.serving import Serving
from service.domain.papers import Paper

PAPER_BYTES = 12_000
"""What one paper takes, its text included."""


class LikedPapers:
    """At most ``limit_bytes`` of papers, or those of one call where these alone are more. For one thread.

    A paper's row is the same bits whatever stands beside it, so it does not matter who liked it first.
    """

    def __init__(self, serving: Serving, limit_bytes: int) -> None:
        self._serving = serving
        self._limit = limit_bytes // PAPER_BYTES
        self._matrix: PaperMatrix | None = None
        self._row_of: dict[str, int] = {}
        self._papers: dict[str, Paper] = {}

    @property
    def papers(self) -> Mapping[str, Paper]:
        """What is held, by id."""
        return self._papers

    def fetch(self, source: PaperSource, paper_ids: Iterable[str]) -> None:
        """Sees to it that these papers are held, as far as they exist."""
        wanted = set(paper_ids)
        missing = sorted(wanted - self._papers.keys())
        if len(self._papers) + len(missing) > self._limit:
            self._matrix, self._row_of, self._papers = None, {}, {}
            missing = sorted(wanted)
        if not missing:
            return
        papers = list(source.find_many(missing).values())
        vectors = source.vectors([paper.paper_id for paper in papers], self._serving.encoder)
        added = matrix_of(self._serving, papers, vectors).completed()
        self._row_of |= {paper.paper_id: len(self._papers) + i for i, paper in enumerate(papers)}
        self._papers |= {paper.paper_id: paper for paper in papers}
        self._matrix = added if self._matrix is None else stack_matrices([self._matrix, added])

    def place(self, papers: Sequence[Paper]) -> PaperMatrix:
        """Some of the papers held, in that order."""
        if self._matrix is None:
            return matrix_of(self._serving, papers, {})
        return self._matrix.take([self._row_of[paper.paper_id] for paper in papers])
