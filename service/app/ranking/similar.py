"""Exact nearest neighbours among all vectors of the serving encoder, which are kept in memory.

Vectors are stored in blocks of one size. A block is immutable once searches can see it: a change copies the block. So a
search needs no lock and sees one consistent state of the catalog.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.app.ports import Transaction, Vectors

BLOCK_ROWS = 2_048
"""A block has 3 MB for 384 dimensions; a change of one vector copies it."""
ROUGH = 1e-5
"""Upper bound for the rounding error of a cosine computed in float32."""
CHANGES_AT_ONCE = 5_000
"""After more changes than this, all vectors are read again."""


@dataclass(frozen=True)
class _Block:
    """The vectors of up to ``BLOCK_ROWS`` papers.

    Attributes:
        paper_ids: ``BLOCK_ROWS`` ids; fewer only in the last block.
        vectors: (``BLOCK_ROWS``, dim) float32 in the order of the ids, padded with rows of 0.
    """

    paper_ids: tuple[str, ...]
    vectors: Vectors


@dataclass(frozen=True)
class _State:
    """All vectors of one encoder at one version."""

    encoder: str
    version: int
    blocks: tuple[_Block, ...]

    def nearest(self, target: Vectors, limit: int) -> list[tuple[str, float]]:
        """Return (paper id, exact cosine) of the ``limit`` nearest papers and all ties, and possibly some more."""
        rough = [(block.vectors @ target)[: len(block.paper_ids)] for block in self.blocks]
        ordered = np.concatenate(rough)
        first = max(len(ordered) - limit, 0)
        least = np.partition(ordered, first)[first] - ROUGH
        found: list[tuple[str, float]] = []
        for block, cosines in zip(self.blocks, rough, strict=True):
            rows = np.flatnonzero(cosines >= least)
            ids = [block.paper_ids[row] for row in rows.tolist()]
            found += zip(ids, _exact(block.vectors[rows], target).tolist(), strict=True)
        return found


def _exact(vectors: Vectors, target: Vectors) -> npt.NDArray[np.float64]:
    """Return (papers,) cosines of (papers, dim) vectors, rounded to 1e-6; equal vectors have equal cosines."""
    return np.asarray(np.round(np.einsum("ij,j->i", vectors, target, dtype=np.float64), 6) + 0.0)


class SimilarPapers:
    """An index of all vectors, loaded at the first search. It takes 154 MB for 100,000 vectors of 384 dimensions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._places: dict[str, int] = {}

    def nearest(self, tx: Transaction, encoder: str, target: Vectors, *, limit: int) -> list[tuple[str, float]]:
        """Return (paper id, cosine rounded to 1e-6) of the papers nearest to a unit vector; ties in order of id.

        The result includes everything that any process committed before the transaction began.
        """
        state = self._fresh(tx, encoder)
        if not state.blocks or limit < 1:
            return []
        found = sorted((-cosine, paper_id) for paper_id, cosine in state.nearest(target, limit))
        return [(paper_id, -negative) for negative, paper_id in found[:limit]]

    def _fresh(self, tx: Transaction, encoder: str) -> _State:
        version = tx.papers.vector_version(encoder)
        state = self._state
        if state is not None and state.encoder == encoder and state.version >= version:
            return state
        # A second thread waits here while the first one reads, and then uses its result.
        with self._lock:
            state = self._state
            if state is not None and state.encoder == encoder and state.version >= version:
                return state
            changed = [] if state is None else tx.papers.vectors_changed_since(encoder, state.version)
            if state is None or state.encoder != encoder or len(changed) > CHANGES_AT_ONCE:
                # Release the old state first, so that all vectors are not in memory twice.
                self._state, state = None, None
                edit = _Edit((), {})
                edit.put(pair for part in tx.papers.vector_parts(encoder) for pair in zip(*part, strict=True))
            else:
                vectors = tx.papers.vectors(changed, encoder)
                edit = _Edit(state.blocks, self._places)
                edit.remove(paper_id for paper_id in changed if paper_id not in vectors)
                edit.put(vectors.items())
            self._places = edit.places
            self._state = _State(encoder, version, edit.blocks())
            return self._state


class _Edit:
    """Builds the next state; copies a block of the present state before writing to it.

    Args:
        places: Row of each paper, counted over all blocks; changed in place.
    """

    def __init__(self, blocks: tuple[_Block, ...], places: dict[str, int]) -> None:
        self.places = places
        self._ids = [list(block.paper_ids) for block in blocks]
        self._vectors = [block.vectors for block in blocks]
        self._is_copy = [False] * len(blocks)

    def put(self, papers: Iterable[tuple[str, Vectors]]) -> None:
        """Add papers, or replace their vectors."""
        for paper_id, vector in papers:
            place = self.places.get(paper_id)
            if place is None:
                place = self._append(paper_id, len(vector))
            self._writable(place // BLOCK_ROWS)[place % BLOCK_ROWS] = vector

    def remove(self, paper_ids: Iterable[str]) -> None:
        """Remove papers; the last paper moves into the gap."""
        for paper_id in paper_ids:
            place = self.places.pop(paper_id, None)
            if place is None:
                continue
            last_id = self._ids[-1].pop()
            last = (len(self._ids) - 1) * BLOCK_ROWS + len(self._ids[-1])
            moved = self._vectors[-1][last % BLOCK_ROWS].copy()
            self._writable(last // BLOCK_ROWS)[last % BLOCK_ROWS] = 0
            if last_id != paper_id:
                self._ids[place // BLOCK_ROWS][place % BLOCK_ROWS] = last_id
                self._writable(place // BLOCK_ROWS)[place % BLOCK_ROWS] = moved
                self.places[last_id] = place
            if not self._ids[-1]:
                del self._ids[-1], self._vectors[-1], self._is_copy[-1]

    def blocks(self) -> tuple[_Block, ...]:
        """Return the blocks; the edit must not be used afterwards."""
        return tuple(_Block(tuple(ids), vectors) for ids, vectors in zip(self._ids, self._vectors, strict=True))

    def _append(self, paper_id: str, dim: int) -> int:
        if not self._ids or len(self._ids[-1]) == BLOCK_ROWS:
            self._ids.append([])
            self._vectors.append(np.zeros((BLOCK_ROWS, dim), np.float32))
            self._is_copy.append(True)
        self._ids[-1].append(paper_id)
        self.places[paper_id] = (len(self._ids) - 1) * BLOCK_ROWS + len(self._ids[-1]) - 1
        return self.places[paper_id]

    def _writable(self, block: int) -> Vectors:
        if not self._is_copy[block]:
            self._vectors[block] = self._vectors[block].copy()
            self._is_copy[block] = True
        return self._vectors[block]
