"""All vectors of the serving encoder in memory, for exact nearest neighbours.

Vectors lie in blocks of one size. A block is never written to once searches can see it: what changes is copied, so a
search needs no lock and sees one state of the catalogue throughout.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.app.ports import Transaction, Vectors

BLOCK_ROWS = 2_048
"""3 MB for 384 dimensions: what is copied when one vector changes."""
ROUGH = 1e-5
"""More than what products of float32 may be away from the cosine."""
CHANGES_AT_ONCE = 5_000
"""After more changes than this all vectors are read anew."""


@dataclass(frozen=True)
class _Block:
    """Some papers.

    Attributes:
        paper_ids: At most ``BLOCK_ROWS``; only the last block has fewer.
        vectors: (``BLOCK_ROWS``, dim) float32 in the order of the ids, then rows of 0.
    """

    paper_ids: tuple[str, ...]
    vectors: Vectors


@dataclass(frozen=True)
class _State:
    """The vectors of one encoder at one version."""

    encoder: str
    version: int
    blocks: tuple[_Block, ...]

    def nearest(self, target: Vectors, limit: int) -> list[tuple[str, float]]:
        """At least ``limit`` papers, or all, among them the nearest and what ties with them, with exact cosines."""
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
    """(papers,) cosines rounded to 1e-6, of (papers, dim): equal vectors get equal ones, and 1 with themselves."""
    return np.asarray(np.round(np.einsum("ij,j->i", vectors, target, dtype=np.float64), 6) + 0.0)


class SimilarPapers:
    """The index. Empty until first asked; then 4 bytes for each number of each vector (154 MB for 100,000 of 384)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._places: dict[str, int] = {}

    def nearest(self, tx: Transaction, encoder: str, target: Vectors, *, limit: int) -> list[tuple[str, float]]:
        """(paper id, cosine rounded to 1e-6) of the papers nearest to a unit vector, ties by id; exact.

        Whatever any process wrote before the transaction began counts.
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
        # Who comes while another one reads waits for it and finds the work done.
        with self._lock:
            state = self._state
            if state is not None and state.encoder == encoder and state.version >= version:
                return state
            changed = [] if state is None else tx.papers.vectors_changed_since(encoder, state.version)
            if state is None or state.encoder != encoder or len(changed) > CHANGES_AT_ONCE:
                # Given back first: two copies of all vectors would be twice the memory.
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
    """The next state in the making; copies each block of the present one before it writes to it."""

    def __init__(self, blocks: tuple[_Block, ...], places: dict[str, int]) -> None:
        self.places = places
        self._ids = [list(block.paper_ids) for block in blocks]
        self._vectors = [block.vectors for block in blocks]
        self._is_copy = [False] * len(blocks)

    def put(self, papers: Iterable[tuple[str, Vectors]]) -> None:
        """Adds papers, or changes their vectors."""
        for paper_id, vector in papers:
            place = self.places.get(paper_id)
            if place is None:
                place = self._append(paper_id, len(vector))
            self._writable(place // BLOCK_ROWS)[place % BLOCK_ROWS] = vector

    def remove(self, paper_ids: Iterable[str]) -> None:
        """Takes papers out; the last one moves into the gap."""
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
        """The blocks as they are now; the edit must not go on after this."""
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
