"""Rows of sparse numbers; the only file that touches scipy."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ranker.types import Float32Array, Float64Array, IndexArray, Int32Array

_RARE_SHARE = 0.05
_FEW_ROWS = 20
_DENSE_VALUES = 2**18
"""Up to a megabyte a dense product is faster than one of sparse matrices."""
_BLOCK_CELLS = 2**18
"""Pairs of a like and a paper whose common terms are in memory at once: some hundred bytes each."""


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
    def owners(self) -> Int32Array:
        """(nonzero,) the row of each stored value."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.row_sizes)

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

    def dot(self, other: "SparseRows") -> Float32Array:
        """(n, n_other) float32, C-contiguous: dot products of each row of this with each row of another."""
        return np.ascontiguousarray((self.matrix @ other.transposed).toarray(), dtype=np.float32)

    def mean(self) -> "SparseRows":
        """The mean row, as a matrix of one row; at least one row."""
        # Sorting the few thousand terms is ten times faster than a dense sum over all columns.
        columns, places = np.unique(self.columns, return_inverse=True)
        values = np.bincount(places, weights=self.values) / len(self)
        starts = np.array([0, len(columns)], dtype=np.int32)
        return SparseRows(starts, columns, values.astype(np.float32), self.width)

    def gram(self) -> Float32Array:
        """(n, n) float32: dot products of the rows with one another."""
        # What stands in one row alone, as most terms of most texts do, meets only itself. The entries of a column
        # find one another by the last of them: to sort or transpose the columns takes far longer.
        order = np.arange(len(self.columns), dtype=np.int32)
        last_of = np.empty(self.width, dtype=np.int32)
        last_of[self.columns] = order
        last = last_of[self.columns]
        earlier = np.flatnonzero(last != order)
        number_of = np.zeros(len(order), dtype=np.int32)
        number_of[last[earlier]] = 1
        shared = np.flatnonzero(number_of)
        number_of[shared] = np.arange(len(shared))
        entries = np.concatenate((earlier, shared))
        owners, numbers, values = self.owners[entries], number_of[last[entries]], self.values[entries]
        if len(self) * len(shared) > _DENSE_VALUES:
            rows = scipy.sparse.csr_matrix((values, (owners, numbers)), shape=(len(self), len(shared)))
            found = (rows @ rows.T).toarray()
        else:
            dense = np.zeros((len(self), len(shared)), dtype=np.float32)
            dense[owners, numbers] = values
            found = dense @ dense.T
        np.fill_diagonal(found, np.bincount(self.owners, self.values * self.values, len(self)))
        return np.asarray(found, dtype=np.float32)

    def select(self, columns: Int32Array) -> "SparseRows":
        """The same rows with only the given columns (ascending), numbered by their places among them."""
        places = np.searchsorted(columns, self.columns)
        kept = columns[np.minimum(places, len(columns) - 1)] == self.columns if len(columns) else places < 0
        starts = np.concatenate(([0], np.cumsum(kept))).astype(np.int32)[self.starts]
        return SparseRows(starts, places[kept].astype(np.int32), self.values[kept], len(columns))

    def block(self, rows: slice) -> "SparseRows":
        """Neighbouring rows, sharing the memory."""
        first, last = self.starts[rows.start], self.starts[rows.stop]
        starts = self.starts[rows.start : rows.stop + 1] - first
        return SparseRows(starts, self.columns[first:last], self.values[first:last], self.width)

    def times(self, matrix: Float32Array) -> Float32Array:
        """(n, k) float32: each row times a (width, k) matrix; a row's sum runs over its own terms in their order."""
        return np.ascontiguousarray(self.matrix @ matrix, dtype=np.float32)

    def take(self, rows: IndexArray) -> "SparseRows":
        """The given rows, in that order."""
        sizes = self.row_sizes[rows]
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        source = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return SparseRows(starts, self.columns[source], self.values[source], self.width)


@dataclass(frozen=True)
class CandidateTerms:
    """The terms of n papers among which readers choose, each weighted by how well it tells these papers apart.

    Words that were rare when idf was counted may stand in half the papers of today's digest. A term weighs 1 up to a
    twentieth of the papers, then less, down to 0 in all of many papers. Few papers say little of what is common.

    A reader's likes have thousands of terms of which the papers share some hundred: numpy sums those alone three times
    as fast as a general product of sparse matrices.

    Attributes:
        places: (width,) each term's place among the v terms of the papers, v for those in none of them. Of the
            smallest type that holds v: what a look-up costs is memory that is not in the processor's cache.
        starts: (v + 1,) the papers that hold the term at place i are ``papers[starts[i]:starts[i + 1]]``.
        papers: (nonzero,)
        tfidf: (nonzero,) float32, weighted.
        bm25: (nonzero,) float32, weighted.
    """

    places: npt.NDArray[np.unsignedinteger]
    starts: Int32Array
    papers: Int32Array
    tfidf: Float32Array
    bm25: Float32Array
    paper_count: int

    @classmethod
    def of(cls, tfidf: SparseRows, bm25: SparseRows) -> "CandidateTerms":
        """From both weights of the same terms."""
        order = np.argsort(tfidf.columns, kind="stable")
        terms, row_counts = np.unique(tfidf.columns, return_counts=True)
        places = np.full(tfidf.width, len(terms), dtype=np.min_scalar_type(len(terms)))
        places[terms] = np.arange(len(terms))
        shares = np.maximum(row_counts, 1) / (len(tfidf) + _FEW_ROWS)
        weights = np.minimum(np.log(1 / shares) / np.log(1 / _RARE_SHARE), 1.0).astype(np.float32)
        telling = np.repeat(weights, row_counts)
        return cls(
            places=places,
            starts=np.concatenate(([0], np.cumsum(row_counts))).astype(np.int32),
            papers=tfidf.owners[order].astype(np.int32),
            tfidf=tfidf.values[order] * telling,
            bm25=bm25.values[order] * telling,
            paper_count=len(tfidf),
        )

    def against(self, liked: SparseRows, cosines: Float32Array, bm25: Float32Array) -> None:
        """Compares m liked rows with the papers; what a row gets is the same bits whatever rows stand beside it.

        Args:
            cosines: (m, n) where TF-IDF cosines are written to.
            bm25: (m, n), or (1, n) for the sum over the rows, where BM25 weights times the rows' values are written to.
                The sum runs over blocks of likes, as many as the papers allow.
        """
        summed = len(bm25) == 1
        total = np.zeros(self.paper_count)
        step = max(_BLOCK_CELLS // max(self.paper_count, 1), 1)
        for start in range(0, len(liked), step):
            rows = slice(start, min(start + step, len(liked)))
            cosines[rows], found = self._compared(liked.block(rows), summed=summed)
            if summed:
                total += found
            else:
                bm25[rows] = found
        if summed:
            bm25[0] = total

    def _compared(self, liked: SparseRows, *, summed: bool) -> tuple[Float64Array, Float64Array]:
        """(m, n) cosines, and (m, n) BM25 or their (n,) sum."""
        places = self.places[liked.columns]
        shared = np.flatnonzero(places < len(self.starts) - 1)
        places = places[shared].astype(np.intp)
        first, sizes = self.starts[places], self.starts[places + 1] - self.starts[places]
        # Each shared term of a like meets all papers that hold it.
        ends = np.cumsum(sizes)
        pairs = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + sizes, sizes)
        meeting = np.repeat(shared, sizes)
        papers, values = self.papers[pairs], liked.values[meeting]
        cells = liked.owners[meeting] * self.paper_count + papers
        shape = (len(liked), self.paper_count)
        cosines = np.asarray(np.bincount(cells, values * self.tfidf[pairs], shape[0] * shape[1]), np.float64)
        bm25 = values * self.bm25[pairs]
        if summed:
            return cosines.reshape(shape), np.asarray(np.bincount(papers, bm25, self.paper_count), np.float64)
        found = np.asarray(np.bincount(cells, bm25, shape[0] * shape[1]), np.float64)
        return cosines.reshape(shape), found.reshape(shape)


def sums_of_rows(table: Float32Array, rows: Int32Array) -> Float32Array:
    """(n, k) float32: for each of n lists of t row numbers the sum of those rows of an (r, k) table, in their order."""
    # As a product with a matrix of ones it takes a fifth of the time of gathering the rows and then adding them.
    starts = np.arange(0, rows.size + 1, max(rows.shape[1], 1), dtype=np.int32)
    ones = scipy.sparse.csr_matrix(
        (np.ones(rows.size, dtype=np.float32), rows.ravel(), starts), shape=(len(rows), len(table)), copy=False
    )
    return np.asarray(ones @ table, dtype=np.float32)


def stack_sparse(parts: Sequence[SparseRows]) -> SparseRows:
    """All rows of all parts; at least one part, all of one width."""
    sizes = np.concatenate([part.row_sizes for part in parts])
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    columns = np.concatenate([part.columns for part in parts])
    return SparseRows(starts, columns, np.concatenate([part.values for part in parts]), parts[0].width)
