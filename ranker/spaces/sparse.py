"""Sparse rows and their products; scipy.sparse is used only here."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ranker.types import Float32Array, IndexArray, Int32Array

_RARE_SHARE = 0.05
_FEW_ROWS = 20
_BLOCK_CELLS = 2**18
"""Number of (like, paper) pairs whose common terms are in memory at once, at a few hundred bytes per pair."""


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
        return scipy.sparse.csr_matrix(
            (self.values, self.columns, self.starts), shape=(len(self), self.width), copy=False
        )

    @cached_property
    def transposed(self) -> Any:
        """The (width, n) transpose as a scipy matrix in compressed rows."""
        return self.matrix.T.tocsr()

    def dot(self, other: "SparseRows") -> Float32Array:
        """Return the dot products of these rows with the rows of ``other``; (n, n_other) float32, C-contiguous."""
        return np.ascontiguousarray((self.matrix @ other.transposed).toarray(), dtype=np.float32)

    def gram(self) -> Float32Array:
        """Return the dot products of the rows with one another; (n, n) float32."""
        # Renumbered columns make the transpose small: it takes time for each column, used or not.
        used, places = np.unique(self.columns, return_inverse=True)
        rows = scipy.sparse.csr_matrix((self.values, places, self.starts), shape=(len(self), len(used)))
        return np.asarray((rows @ rows.T).toarray(), dtype=np.float32)

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


@dataclass(frozen=True)
class CandidateTerms:
    """The terms of n candidate papers by term, each weighted by how well it tells these papers apart.

    A term that is rare in the corpus may be in half the papers of a digest. A term that is in at most a twentieth of
    the papers has weight 1. More common terms weigh less, down to 0 for a term in all of many papers. For few papers
    the weights stay near 1.

    The likes of a user have thousands of terms, of which the papers share some hundred. Summing these alone in numpy is
    three times as fast as a general product of sparse matrices.

    Attributes:
        places: (width,) index of each term among the v terms of the papers; v for all other terms. The dtype is the
            smallest that holds v, because a small table stays in the processor's cache.
        starts: (v + 1,) the papers with term i are ``papers[starts[i]:starts[i + 1]]``.
        papers: (nonzero,) paper of each entry.
        values: (nonzero,) float32 TF-IDF value of each entry times the weight of the term.
    """

    places: npt.NDArray[np.unsignedinteger]
    starts: Int32Array
    papers: Int32Array
    values: Float32Array
    paper_count: int

    @classmethod
    def of(cls, tfidf: SparseRows) -> "CandidateTerms":
        """Return the terms of the papers from their TF-IDF rows."""
        order = np.argsort(tfidf.columns, kind="stable")
        terms, row_counts = np.unique(tfidf.columns, return_counts=True)
        places = np.full(tfidf.width, len(terms), dtype=np.min_scalar_type(len(terms)))
        places[terms] = np.arange(len(terms))
        shares = np.maximum(row_counts, 1) / (len(tfidf) + _FEW_ROWS)
        weights = np.minimum(np.log(1 / shares) / np.log(1 / _RARE_SHARE), 1.0).astype(np.float32)
        return cls(
            places=places,
            starts=np.concatenate(([0], np.cumsum(row_counts))).astype(np.int32),
            papers=tfidf.owners[order],
            values=tfidf.values[order] * np.repeat(weights, row_counts),
            paper_count=len(tfidf),
        )

    def cosines(self, liked: SparseRows) -> Float32Array:
        """Return the weighted TF-IDF cosines of m liked rows to the papers; (m, n) float32."""
        out = np.empty((len(liked), self.paper_count), dtype=np.float32)
        # Blocks of likes limit the memory.
        step = max(_BLOCK_CELLS // max(self.paper_count, 1), 1)
        for start in range(0, len(liked), step):
            stop = min(start + step, len(liked))
            first, last = int(liked.starts[start]), int(liked.starts[stop])
            places = self.places[liked.columns[first:last]]
            shared = np.flatnonzero(places < len(self.starts) - 1)
            places = places[shared].astype(np.intp)
            entries, sizes = self.starts[places], self.starts[places + 1] - self.starts[places]
            # One pair for each shared term of a like and each paper with that term.
            ends = np.cumsum(sizes)
            pairs = np.arange(ends[-1] if len(ends) else 0) + np.repeat(entries - ends + sizes, sizes)
            owners = (liked.owners[first:last][shared] - start) * self.paper_count
            cells = np.repeat(owners, sizes) + self.papers[pairs]
            products = np.repeat(liked.values[first:last][shared], sizes) * self.values[pairs]
            found = np.bincount(cells, products, (stop - start) * self.paper_count)
            out[start:stop] = found.reshape(stop - start, self.paper_count)
        return out


def sums_of_rows(table: Float32Array, rows: IndexArray) -> Float32Array:
    """Return the sums of rows of a table; (n, k) float32.

    Args:
        table: (r, k) float32.
        rows: (n, t) row numbers; each list of t rows gives one sum.
    """
    # A product with a sparse matrix of ones takes a fifth of the time of gathering the rows and adding them.
    starts = np.arange(0, rows.size + 1, max(rows.shape[1], 1), dtype=np.int32)
    ones = scipy.sparse.csr_matrix(
        (np.ones(rows.size, dtype=np.float32), rows.ravel(), starts), shape=(len(rows), len(table)), copy=False
    )
    return np.asarray(ones @ table, dtype=np.float32)


def stack_sparse(parts: Sequence[SparseRows]) -> SparseRows:
    """Return the rows of all parts; needs at least one part, all of one width."""
    sizes = np.concatenate([part.row_sizes for part in parts])
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    columns = np.concatenate([part.columns for part in parts])
    return SparseRows(starts, columns, np.concatenate([part.values for part in parts]), parts[0].width)
