"""Sparse rows and their products; scipy.sparse is used only here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from ranker.types import Float32Array, IndexArray, Int32Array

_RARE_SHARE = 0.1
_FEW_ROWS = 20
_DENSE_ROWS = 100
"""Up to this number of rows, a dense matrix of their common columns has the products of rows in half the time."""
_BLOCK_CELLS = 2**21
"""Number of products of rows that are in memory twice: as a sparse and as a dense matrix."""


@dataclass(frozen=True)
class SparseRows:
    """A (n, width) float32 matrix in compressed rows.

    Attributes:
        starts: (n + 1,) int32; the entries of row i are at ``starts[i]:starts[i + 1]``.
        columns: (nonzero,) int32 column of each entry, ascending within a row.
        values: (nonzero,) float32 value of each entry.
    """

    starts: Int32Array
    columns: Int32Array
    values: Float32Array
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """(n, width)."""
        return len(self), self.width

    @cached_property
    def row_sizes(self) -> Int32Array:
        """(n,) number of entries of each row."""
        return np.diff(self.starts)

    @cached_property
    def owners(self) -> Int32Array:
        """(nonzero,) row of each entry."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.row_sizes)

    @cached_property
    def matrix(self) -> Any:
        """This matrix as a scipy matrix that shares the memory."""
        return scipy.sparse.csr_matrix((self.values, self.columns, self.starts), shape=self.shape, copy=False)

    @cached_property
    def transposed(self) -> Any:
        """The (width, n) transpose as a scipy matrix in compressed rows."""
        return self.matrix.T.tocsr()

    def dot(self, other: "SparseRows") -> Float32Array:
        """Return the dot products of these rows with the rows of ``other``; (n, n_other) float32, C-contiguous.

        ``other`` caches its transpose, so it should be the matrix that is used in many calls.
        """
        step = max(_BLOCK_CELLS // max(len(other), 1), 1)
        if len(self) <= step:
            return np.ascontiguousarray((self.matrix @ other.transposed).toarray(), dtype=np.float32)
        blocks = [self.take(np.arange(start, min(start + step, len(self)))) for start in range(0, len(self), step)]
        return np.concatenate([block.dot(other) for block in blocks])

    def gram(self) -> Float32Array:
        """Return the dot products of the rows with one another; (n, n) float32."""
        if len(self) > _DENSE_ROWS:
            # Renumbered columns make the transpose small: it takes time for each column, used or not.
            used, places = np.unique(self.columns, return_inverse=True)
            rows = scipy.sparse.csr_matrix((self.values, places, self.starts), shape=(len(self), len(used)))
            return np.asarray((rows @ rows.T).toarray(), dtype=np.float32)
        # Sorting one array is faster than sorting indices by it.
        entries = np.sort(self.columns.astype(np.int64) << 32 | np.arange(len(self.columns)))
        columns, entries = entries >> 32, entries & 0xFFFFFFFF
        # Most columns are in a single row and add to the diagonal alone; the others form a small dense matrix.
        shared = np.zeros(len(columns), dtype=np.bool_)
        shared[1:] = columns[1:] == columns[:-1]
        shared[:-1] |= shared[1:]
        columns, entries = columns[shared], entries[shared]
        places = np.cumsum(np.diff(columns, prepend=-1) > 0) - 1
        dense = np.zeros((places[-1] + 1 if len(places) else 0, len(self)), dtype=np.float32)
        dense[places, self.owners[entries]] = self.values[entries]
        found = dense.T @ dense
        np.fill_diagonal(found, np.bincount(self.owners, self.values * self.values, len(self)))
        return found

    def select(self, columns: Int32Array) -> "SparseRows":
        """Return the rows restricted to the given columns (ascending), renumbered from 0."""
        places = np.searchsorted(columns, self.columns)
        kept = columns[np.minimum(places, len(columns) - 1)] == self.columns if len(columns) else places < 0
        starts = np.concatenate(([0], np.cumsum(kept))).astype(np.int32)[self.starts]
        return SparseRows(starts, places[kept].astype(np.int32), self.values[kept], len(columns))

    def times(self, matrix: Float32Array) -> Float32Array:
        """Multiply the rows by a (width, k) matrix; (n, k) float32."""
        return np.ascontiguousarray(self.matrix @ matrix, dtype=np.float32)

    def take(self, rows: IndexArray) -> "SparseRows":
        """Return the given rows, in that order."""
        sizes = self.row_sizes[rows]
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        source = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return SparseRows(starts, self.columns[source], self.values[source], self.width)


def telling_terms(tfidf: SparseRows) -> SparseRows:
    """Return the TF-IDF rows of candidate papers with each term weighted by how well it tells these papers apart.

    A term that is rare in the corpus may be in half the papers of a digest. A term that is in at most a tenth of
    the papers has weight 1. More common terms weigh less, down to 0 for a term in all of many papers. For few papers
    the weights stay near 1.
    """
    counts = np.bincount(tfidf.columns)[tfidf.columns]
    shares = counts / (len(tfidf) + _FEW_ROWS)
    weights = np.minimum(np.log(1 / shares) / np.log(1 / _RARE_SHARE), 1.0).astype(np.float32)
    return replace(tfidf, values=tfidf.values * weights)


def sums_of_rows(table: Float32Array, rows: IndexArray) -> Float32Array:
    """Return the sums of rows of a table; (n, k) float32.

    Args:
        table: (r, k) float32.
        rows: (n, t) row numbers; each list of t rows gives one sum.
    """
    # A product with a sparse matrix of ones takes a fifth of the time of gathering the rows and adding them.
    places = np.ascontiguousarray(rows, dtype=np.int32)
    starts = np.arange(0, rows.size + 1, max(rows.shape[1], 1), dtype=np.int32)
    ones = scipy.sparse.csr_matrix(
        (np.ones(rows.size, dtype=np.float32), places.ravel(), starts), shape=(len(rows), len(table)), copy=False
    )
    return np.asarray(ones @ table, dtype=np.float32)


def stack_sparse(parts: Sequence[SparseRows]) -> SparseRows:
    """Return the rows of all parts; needs at least one part, all of one width."""
    if len(parts) == 1:
        return parts[0]
    sizes = np.concatenate([part.row_sizes for part in parts])
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    columns = np.concatenate([part.columns for part in parts])
    return SparseRows(starts, columns, np.concatenate([part.values for part in parts]), parts[0].width)
