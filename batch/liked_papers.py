"""Liked papers as the serving bundle sees them, kept from user to user: many readers like the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from batch.source import PaperSource
from ranker.features import FEW_CANDIDATES, KnownSimilarities, Similarities
from ranker.spaces import PaperMatrix, stack_matrices
from service.app.matrices import Reader, matrix_of
from service.app.serving import Serving
from service.domain.papers import Paper

PAPER_BYTES = 12_000
"""What one paper takes, its text included."""
SIMILARITY_BYTES = 28
"""What it takes more for each of few candidates."""


class LikedPapers:
    """At most ``limit_bytes`` of papers, or those of one call where these alone are more. For one thread.

    A paper's row is the same bits whatever stands beside it, so it does not matter who liked it first. Where candidates
    are few, each paper's similarities to them are kept too.
    """

    def __init__(self, serving: Serving, limit_bytes: int, candidates: PaperMatrix) -> None:
        self._serving = serving
        self._compares = serving.bundle is not None and len(candidates) <= FEW_CANDIDATES
        self._candidates = candidates
        self._limit_bytes = limit_bytes
        self._matrix: PaperMatrix | None = None
        self._known: KnownSimilarities | None = None
        self._row_of: dict[str, int] = {}
        self._papers: dict[str, Paper] = {}

    @property
    def papers(self) -> Mapping[str, Paper]:
        """What is held, by id."""
        return self._papers

    @property
    def paper_bytes(self) -> int:
        """What one paper takes."""
        return PAPER_BYTES + (SIMILARITY_BYTES * len(self._candidates) if self._compares else 0)

    def fetch(self, source: PaperSource, paper_ids: Iterable[str]) -> None:
        """Sees to it that these papers are held, as far as they exist."""
        wanted = set(paper_ids)
        missing = sorted(wanted - self._papers.keys())
        if (len(self._papers) + len(missing)) * self.paper_bytes > self._limit_bytes:
            self._matrix, self._known, self._row_of, self._papers = None, None, {}, {}
            missing = sorted(wanted)
        papers = list(source.find_many(missing).values()) if missing else []
        if not papers:
            return
        vectors = source.vectors([paper.paper_id for paper in papers], self._serving.encoder)
        # Nobody asks for BM25 weights of liked papers.
        added = replace(matrix_of(self._serving, papers, vectors), bm25=None).completed()
        self._row_of |= {paper.paper_id: len(self._papers) + i for i, paper in enumerate(papers)}
        self._papers |= {paper.paper_id: paper for paper in papers}
        self._matrix = added if self._matrix is None else stack_matrices([self._matrix, added])
        if self._compares:
            known = KnownSimilarities(added, self._candidates)
            if self._known is not None:
                self._known.extend(known)
            self._known = self._known or known

    def place(self, papers: Sequence[Paper]) -> PaperMatrix:
        """Some of the papers held, in that order."""
        if self._matrix is None:
            return matrix_of(self._serving, papers, {})
        return self._matrix.take([self._row_of[paper.paper_id] for paper in papers])

    def similarities(self, reader: Reader) -> Similarities | None:
        """Of the reader's likes to the candidates, as far as they are kept."""
        if self._known is None or reader.profile is None:
            return None
        return self._known.of(reader.profile, np.array([self._row_of[paper.paper_id] for paper in reader.liked]))
