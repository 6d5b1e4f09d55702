"""Rows of sparse numbers; the only file that touches scipy."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from ranker.types import Float32Array, IndexArray, Int32Array

_RARE_SHARE = 0.05
_FEW_ROWS = 20


@dataclass(frozen=True)
class SparseRows:
    """A (n, width) float32 matrix in compressed rows.

    Attributes:
        starts: (n + 1,) int32; row i is ``columns[starts[i]:starts[i + 1]]``.
        columns: (nonzero,) int32, ascending within a row.
        values: (nonzero,) float32.
    """

    starts: Int32Array
    columns: Int32Array
    values: Float32Array
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def row_sizes(self) -> Int32Array:
        """(n,) number of stored values in each row."""
        return np.diff(self.starts)

    @cached_property
    def matrix(self) -> Any:
        """The same as a scipy matrix that shares the memory."""
        return scipy.sparse.csr_matrix(
            (self.values, self.columns, self.starts), shape=(len(self), self.width), copy=False
        )

    @cached_property
    def transposed(self) -> Any:
        """(width, n) scipy matrix in compressed rows: the papers that hold a term. Built once, for candidates."""
        return self.matrix.T.tocsr()

    @cached_property
    def telling_transposed(self) -> Any:
        """As ``transposed``, each term weighted by how well it tells these rows apart.

        Words that were rare when idf was counted may stand in half the papers of today's digest. A term weighs 1 up to
        a twentieth of the rows, then less, down to 0 in all of many rows. Few rows say little of what is common.
        """
        found = self.transposed
        row_counts = np.diff(found.indptr)
        shares = np.maximum(row_counts, 1) / (len(self) + _FEW_ROWS)
        weights = np.minimum(np.log(1 / shares) / np.log(1 / _RARE_SHARE), 1.0)
        values = found.data * np.repeat(weights, row_counts).astype(np.float32)
        return scipy.sparse.csr_matrix((values, found.indices, found.indptr), shape=found.shape, copy=False)

    def dot(self, candidates: "SparseRows", *, telling: bool = False) -> Float32Array:
        """(n, n_candidates) float32, C-contiguous: dot products of each row of this with each candidate's row.

        Args:
            candidates: Of the same width.
            telling: Weighs each term by how well it tells the candidates apart.
        """
        other = candidates.telling_transposed if telling else candidates.transposed
        return np.ascontiguousarray((self.matrix @ other).toarray(), dtype=np.float32)

    def mean(self) -> "SparseRows":
        """The mean row, as a matrix of one row; at least one row."""
        # Sorting the few thousand terms is ten times faster than a dense sum over all columns.
        columns, places = np.unique(self.columns, return_inverse=True)
        values = np.bincount(places, weights=self.values) / len(self)
        starts = np.array([0, len(columns)], dtype=np.int32)
        return SparseRows(starts, columns, values.astype(np.float32), self.width)

    def select(self, columns: Int32Array) -> "SparseRows":
        """The same rows with only the given columns (ascending), numbered by their places among them."""
        places = np.searchsorted(columns, self.columns)
        kept = columns[np.minimum(places, len(columns) - 1)] == self.columns if len(columns) else places < 0
        starts = np.concatenate(([0], np.cumsum(kept))).astype(np.int32)[self.starts]
        return SparseRows(starts, places[kept].astype(np.int32), self.values[kept], len(columns))

    def times(self, matrix: Float32Array) -> Float32Array:
        """(n, k) float32: each row times a (width, k) matrix; a row's sum runs over its own terms in their order."""
        return np.ascontiguousarray(self.matrix @ matrix, dtype=np.float32)

    def take(self, rows: IndexArray) -> "SparseRows":
        """The given rows, in that order."""
        sizes = self.row_sizes[rows]
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        source = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return SparseRows(starts, self.columns[source], self.values[source], self.width)


def stack_sparse(parts: Sequence[SparseRows]) -> SparseRows:
    """All rows of all parts; at least one part, all of one width."""
    sizes = np.concatenate([part.row_sizes for part in parts])
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    columns = np.concatenate([part.columns for part in parts])
    return SparseRows(starts, columns, np.concatenate([part.values for part in parts]), parts[0].width)
