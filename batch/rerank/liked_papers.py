"""Liked papers placed in the bundle's spaces, kept from user to user because many users like the same papers."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from batch.rerank.shelf import MOST_BYTES, Placed, Shelf, stack_placed
from batch.rerank.source import PaperSource
from ranker.features import FEW_CANDIDATES, Similarities, paper_similarities, similarities_of
from ranker.spaces.spaces import PaperMatrix
from service.app.ranking.placing import place_papers
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.serving import Serving
from service.domain.papers import Paper

PAPER_BYTES = 12_000
"""Memory of one paper, including its text."""
SIMILARITY_BYTES = 28
"""Memory of a paper's similarities to one candidate."""


class LikedPapers:
    """A cache of placed papers in memory and in a file, so that a worker places each paper once. For one thread.

    Up to rounding, a paper's row does not depend on the papers placed with it, so the order of users does not matter.
    If there are few candidates, each paper's similarities to them are kept too.

    Args:
        limit_bytes: Maximum memory of the papers. The papers of one call may take more.
        folder: Folder of the file, which has no name there.
        file_bytes: Maximum size of the file. Papers that do not fit are placed again when they are needed.
    """

    def __init__(
        self,
        serving: Serving,
        limit_bytes: int,
        candidates: PaperMatrix,
        folder: Path,
        file_bytes: int = MOST_BYTES,
    ) -> None:
        self._serving = serving
        self._compares = serving.bundle is not None and len(candidates) <= FEW_CANDIDATES
        self._candidates = candidates
        self._limit_bytes = limit_bytes
        self._shelf = Shelf(serving.bundle.spaces if serving.bundle else None, folder, file_bytes)
        self._held: Placed | None = None
        self._row_of: dict[str, int] = {}
        self._papers: dict[str, Paper] = {}

    @property
    def papers(self) -> Mapping[str, Paper]:
        """The papers in memory, by id."""
        return self._papers

    @property
    def paper_bytes(self) -> int:
        """Memory of one paper."""
        return PAPER_BYTES + (SIMILARITY_BYTES * len(self._candidates) if self._compares else 0)

    def fetch(self, source: PaperSource, paper_ids: Iterable[str]) -> None:
        """Bring these papers into memory; ids that the source does not know are ignored."""
        wanted = set(paper_ids)
        missing = sorted(wanted - self._row_of.keys())
        if (len(self._row_of) + len(missing)) * self.paper_bytes > self._limit_bytes:
            self._spill()
            missing = sorted(wanted)
        found = [*self._shelf.take(paper_id for paper_id in missing if paper_id in self._shelf)]
        new = [paper_id for paper_id in missing if paper_id not in self._shelf]
        papers = list(source.find_many(new).values()) if new else []
        if papers:
            found.append(self._placed(source, papers))
        if found:
            self._held = stack_placed([self._held, *found] if self._held else found)
            self._papers = {paper.paper_id: paper for paper in self._held.papers}
            self._row_of = {paper_id: row for row, paper_id in enumerate(self._papers)}

    def place(self, papers: Sequence[Paper]) -> PaperMatrix:
        """Return the matrix of some papers in memory, in that order."""
        if self._held is None:
            return place_papers(self._serving, papers, {})
        return self._held.matrix.take([self._row_of[paper.paper_id] for paper in papers])

    def similarities(self, user: PreparedUser) -> Similarities | None:
        """Return the similarities of the user's liked papers to the candidates; None if they are not kept."""
        if self._held is None or self._held.known is None or user.profile is None:
            return None
        rows = np.array([self._row_of[paper.paper_id] for paper in user.liked], dtype=np.intp)
        return similarities_of(self._held.known, user.profile, rows)

    def _placed(self, source: PaperSource, papers: Sequence[Paper]) -> Placed:
        vectors = source.vectors([paper.paper_id for paper in papers], self._serving.encoder)
        # No feature uses the BM25 weights of liked papers.
        matrix = replace(place_papers(self._serving, papers, vectors), bm25=None).completed()
        return Placed(tuple(papers), matrix, paper_similarities(matrix, self._candidates) if self._compares else None)

    def _spill(self) -> None:
        """Empty the memory; papers that the file lacks are written to it."""
        new = [row for paper_id, row in self._row_of.items() if paper_id not in self._shelf]
        if self._held is not None and new:
            # On a full disk nothing is written, and the papers are placed again when they are needed.
            with contextlib.suppress(OSError):
                self._shelf.put(self._held if len(new) == len(self._row_of) else self._held.take(new))
        self._held, self._row_of, self._papers = None, {}, {}
