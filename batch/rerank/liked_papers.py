"""Liked papers placed in the bundle's spaces, kept from user to user because many users like the same papers."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from batch.rerank.shelf import MOST_BYTES, Shelf
from batch.rerank.source import PaperSource
from ranker.spaces.spaces import PaperMatrix, stack_matrices
from service.app.ranking.placing import place_papers
from service.app.ranking.serving import Serving
from service.domain.papers import Paper

PAPER_BYTES = 12_000
"""Memory of one paper."""


class LikedPapers:
    """A cache of placed papers in memory and in a file, so that a worker places each paper once. For one thread.

    Up to rounding, a paper's row does not depend on the papers placed with it, so the order of users does not matter.

    Args:
        limit_bytes: Maximum memory of the papers. The papers of one call may take more.
        folder: Folder of the file, which has no name there.
        file_bytes: Maximum size of the file. Papers that do not fit are placed again when they are needed.
    """

    def __init__(self, serving: Serving, limit_bytes: int, folder: Path, file_bytes: int = MOST_BYTES) -> None:
        self._serving = serving
        self._limit_bytes = limit_bytes
        self._shelf = Shelf(folder, file_bytes)
        self._held: PaperMatrix | None = None
        self._papers: dict[str, Paper] = {}

    @property
    def papers(self) -> Mapping[str, Paper]:
        """The papers in memory by id, with id and title only."""
        return self._papers

    def fetch(self, source: PaperSource, paper_ids: Iterable[str]) -> None:
        """Bring these papers into memory; ids that the source does not know are ignored."""
        wanted = set(paper_ids)
        missing = sorted(wanted - self._papers.keys())
        if (len(self._papers) + len(missing)) * PAPER_BYTES > self._limit_bytes:
            self._spill()
            missing = sorted(wanted)
        found = [*self._shelf.take(paper_id for paper_id in missing if paper_id in self._shelf)]
        new = [paper_id for paper_id in missing if paper_id not in self._shelf]
        papers = list(source.find_many(new).values()) if new else []
        if papers:
            found.append(self._placed(source, papers))
        if found:
            self._held = stack_matrices([self._held, *found] if self._held else found)
            columns = self._held.columns
            named = zip(columns.paper_ids, columns.titles, strict=True)
            self._papers = {paper_id: Paper(paper_id=paper_id, title=title) for paper_id, title in named}

    def place(self, papers: Sequence[Paper]) -> PaperMatrix:
        """Return the matrix of some papers in memory, in that order."""
        if self._held is None:
            return place_papers(self._serving, papers, {})
        return self._held.take([self._held.row_of[paper.paper_id] for paper in papers])

    def _placed(self, source: PaperSource, papers: Sequence[Paper]) -> PaperMatrix:
        vectors = source.vectors([paper.paper_id for paper in papers], self._serving.encoder)
        placed = place_papers(self._serving, papers, vectors)
        # The abstracts were read to place the papers; profiles do not need them.
        return replace(placed, columns=replace(placed.columns, texts=placed.columns.titles), spaces=None)

    def _spill(self) -> None:
        """Empty the memory; papers that the file lacks are written to it."""
        new = [row for row, paper_id in enumerate(self._papers) if paper_id not in self._shelf]
        if self._held is not None and new:
            # On a full disk nothing is written, and the papers are placed again when they are needed.
            with contextlib.suppress(OSError):
                self._shelf.put(self._held if len(new) == len(self._papers) else self._held.take(new))
        self._held, self._papers = None, {}
