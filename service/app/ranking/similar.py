"""Exact nearest neighbours among all vectors of the serving encoder, which are kept in memory."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from service.app.ports import Transaction, Vectors

Part: TypeAlias = tuple[list[str], Vectors]
"""Paper ids and their (papers, dim) vectors."""
ROUGH = 1e-5
"""Upper bound for the rounding error of a cosine computed in float32."""
MAX_CHANGES = 5_000
"""After more changes than this, all vectors are read again."""


@dataclass(frozen=True)
class _State:
    """All vectors of one encoder at one version. Immutable, so that searches need no lock.

    Attributes:
        read: The vectors that were read at once.
        changed: Papers whose vectors were added, changed or deleted since; their vectors in ``read`` are outdated.
        new: The present vectors of the changed papers by id; deleted ones are absent.
    """

    encoder: str
    version: int
    read: tuple[Part, ...]
    changed: frozenset[str] = frozenset()
    new: Mapping[str, Vectors] = field(default_factory=dict)

    @cached_property
    def _new_part(self) -> tuple[Part, ...]:
        return ((list(self.new), np.stack(list(self.new.values()))),) if self.new else ()

    def nearest(self, target: Vectors, limit: int) -> list[tuple[str, float]]:
        """Return (paper id, exact cosine) of the ``limit`` nearest papers and all ties, and possibly some more.

        Args:
            limit: At least 1.
        """
        parts = (*self.read, *self._new_part)
        # A stored vector may have a wrong length; the paper is then embedded again.
        if not parts or len(target) != parts[0][1].shape[1]:
            return []
        rough = [vectors @ target for _, vectors in parts]
        ordered = np.concatenate(rough)
        # Some of the greatest cosines may be those of outdated vectors.
        first = max(len(ordered) - limit - len(self.changed), 0)
        least = np.partition(ordered, first)[first] - ROUGH
        found: list[tuple[str, float]] = []
        for number, ((ids, vectors), cosines) in enumerate(zip(parts, rough, strict=True)):
            outdated = self.changed if number < len(self.read) else ()
            rows = [row for row in np.flatnonzero(cosines >= least).tolist() if ids[row] not in outdated]
            found += zip([ids[row] for row in rows], _exact(vectors[rows], target).tolist(), strict=True)
        return found


def _exact(vectors: Vectors, target: Vectors) -> npt.NDArray[np.float64]:
    """Return (papers,) cosines of (papers, dim) vectors, rounded to 1e-6; equal vectors have equal cosines."""
    return np.asarray(np.round(np.einsum("ij,j->i", vectors, target, dtype=np.float64), 6) + 0.0)


class SimilarPapers:
    """An index of all vectors, loaded at the first search. It takes 154 MB for 100,000 vectors of 384 dimensions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: _State | None = None

    def nearest(self, tx: Transaction, encoder: str, target: Vectors, *, limit: int) -> list[tuple[str, float]]:
        """Return (paper id, cosine rounded to 1e-6) of the papers nearest to a unit vector; ties in order of id.

        The result includes everything that any process committed before the transaction began.
        """
        version = tx.papers.vector_version(encoder)
        state = self._fresh(encoder, version)
        if state is None:
            # A second thread waits here while the first one reads, and then uses its result.
            with self._lock:
                state = self._fresh(encoder, version) or self._read(tx, encoder, version)
        found = sorted((-cosine, paper_id) for paper_id, cosine in state.nearest(target, limit))
        return [(paper_id, -negative) for negative, paper_id in found[:limit]]

    def _fresh(self, encoder: str, version: int) -> _State | None:
        state = self._state
        return state if state is not None and state.encoder == encoder and state.version >= version else None

    def _read(self, tx: Transaction, encoder: str, version: int) -> _State:
        state = self._state
        latest = set() if state is None else set(tx.papers.vectors_changed_since(encoder, state.version))
        if state is None or state.encoder != encoder or len(state.changed | latest) > MAX_CHANGES:
            # Release the old state first, so that all vectors are not in memory twice.
            self._state = state = None
            self._state = _State(encoder, version, tuple(tx.papers.vector_parts(encoder)))
        else:
            kept = {paper_id: vector for paper_id, vector in state.new.items() if paper_id not in latest}
            new = kept | tx.papers.vectors(list(latest), encoder)
            width = len(next(iter(new.values()))) if new else 0
            width = state.read[0][1].shape[1] if state.read else width
            new = {paper_id: vector for paper_id, vector in new.items() if len(vector) == width}
            self._state = _State(encoder, version, state.read, state.changed | latest, new)
        return self._state
