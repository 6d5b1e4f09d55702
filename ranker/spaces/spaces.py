"""The frozen spaces of a bundle, and matrices of papers in these spaces.

Up to rounding, the row of a paper does not depend on the other papers of its matrix. So matrices may be built for one
paper, a digest or a whole catalogue, and their rows may be taken and joined freely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ranker.errors import InputError
from ranker.papers import PaperColumns, stack_columns
from ranker.relative import crowding
from ranker.signals import Signals
from ranker.spaces.background import Background
from ranker.spaces.categories import CategoryTable
from ranker.spaces.colikes import CoLikes
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import product, unit_rows
from ranker.spaces.sparse import CandidateTerms, SparseRows, stack_sparse
from ranker.spaces.statistics import CorpusStatistics
from ranker.spaces.terms import BUCKET_COUNT, hashed_terms
from ranker.spaces.topics import Topics, commonness, main_topics
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray, Int32Array

_FEW_PAPERS = 10
_FEW_COSINES = 500
"""Up to this number of papers their mutual cosines are cached (1 MB), because every user's slate reads most of them."""
_REPEAT_WEIGHT = 0.3
"""The TF-IDF weight of a term grows by this much when its count in a text grows e-fold."""
_BM25_K1 = 1.2
_BM25_B = 0.5
_GIVEN = ("units", "whitened", "tfidf", "bm25", "topic_weights", "factors")
# Expensive properties that depend on each paper alone: rows taken from a matrix keep their computed values.
_EXPENSIVE = ("has_vector", "word_density", "factor_density", "user_factors")


@dataclass(frozen=True)
class PaperMatrix:
    """A matrix of n papers in the spaces of one bundle. It is immutable, so users and threads share it.

    Attributes:
        units: (n, d) float32 vectors of unit length; NaN rows where the vector is pending.
        whitened: (n, d) float32 whitened vectors of unit length, NaN rows as in ``units``; None without a bundle.
        tfidf: (n, buckets) TF-IDF rows of unit length, empty for texts without words; None without a bundle.
        bm25: (n, buckets) BM25 weights of each paper's terms; None without a bundle.
        topic_weights: (n, t) float32, see ``Topics.weights``; None without a bundle or topics.
        factors: (n, k) float32 co-like factors of unit length, NaN rows as in ``units``; None without a factor map.
        background: The sample that densities refer to; None without a bundle.
        co_likes: The papers that ``user_factors`` are predicted from; None without a factor map.
    """

    columns: PaperColumns
    units: Float32Array
    whitened: Float32Array | None = None
    tfidf: SparseRows | None = None
    bm25: SparseRows | None = None
    topic_weights: Float32Array | None = None
    factors: Float32Array | None = None
    background: Background | None = None
    co_likes: CoLikes | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def has_vector(self) -> BoolArray:
        """(n,) False where the vector is pending."""
        # The maximum makes a row without components pending.
        finite = np.isfinite(self.units).sum(axis=1) == max(self.units.shape[1], 1)
        return np.asarray(finite, dtype=np.bool_)

    @cached_property
    def centre(self) -> Float32Array:
        """(d,) mean of the known unit vectors, shrunk towards 0 if there are few: what all the papers share."""
        known = self.units[self.has_vector]
        return np.asarray(known.sum(axis=0) / np.float32(len(known) + _FEW_PAPERS))

    @cached_property
    def towards_centre(self) -> Float32Array:
        """(n,) float32 dot product of each unit vector and ``centre``; NaN where the vector is pending."""
        found: Float32Array = np.einsum("ij,j->i", self.units, self.centre)
        return found

    @cached_property
    def centred_lengths(self) -> Float32Array:
        """(n,) float32 length of each unit vector minus ``centre``; NaN if it is 0."""
        rest = self.units - self.centre
        lengths: Float32Array = np.sqrt(np.einsum("ij,ij->i", rest, rest))
        lengths[lengths <= 0] = np.nan
        return lengths

    def cosines_among(self, rows: IndexArray) -> Float32Array:
        """Return the mutual cosines of the papers at ``rows``; (m, m) float32, 0 where a vector is pending."""
        if len(self) <= _FEW_COSINES:
            return self._cosines[np.ix_(rows, rows)]
        known = np.nan_to_num(self.units[rows])
        return known @ known.T

    @cached_property
    def _cosines(self) -> Float32Array:
        known = np.nan_to_num(self.units)
        return known @ known.T

    @cached_property
    def dates(self) -> Float64Array:
        """(n,) Unix seconds of publication, else of when the paper was first seen; NaN if both are unknown."""
        columns = self.columns
        return np.where(np.isnan(columns.published_at), columns.first_seen_at, columns.published_at)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each paper by its id."""
        return {paper_id: row for row, paper_id in enumerate(self.columns.paper_ids)}

    @cached_property
    def id_ranks(self) -> IndexArray:
        """(n,) position of each paper's id in the sorted ids, which breaks ties."""
        ranks = np.empty(len(self), dtype=np.intp)
        ranks[sorted(range(len(self)), key=self.columns.paper_ids.__getitem__)] = np.arange(len(self))
        return ranks

    @cached_property
    def terms(self) -> CandidateTerms | None:
        """The terms of the papers in the form that ``likeness`` compares with likes; None without a bundle."""
        return None if self.tfidf is None or self.bm25 is None else CandidateTerms.of(self.tfidf, self.bm25)

    @cached_property
    def wordless(self) -> BoolArray | None:
        """(n,) True for papers without words; None if every paper has words or without a bundle."""
        if self.tfidf is None or (self.tfidf.row_sizes > 0).all():
            return None
        return np.asarray(self.tfidf.row_sizes == 0)

    @cached_property
    def log_term_counts(self) -> Float64Array:
        """(n,) natural logarithm of 1 + the number of distinct terms of each paper; NaN without a bundle."""
        return np.log1p(self.tfidf.row_sizes) if self.tfidf is not None else np.full(len(self), np.nan)

    @cached_property
    def word_crowding(self) -> Float32Array:
        """(n,) ``word_density`` relative to the other papers, see ``relative.crowding``."""
        return crowding(self.word_density)

    @cached_property
    def factor_crowding(self) -> Float32Array:
        """(n,) ``factor_density`` relative to the other papers, see ``relative.crowding``."""
        return crowding(self.factor_density)

    @cached_property
    def topic_commonness(self) -> Float32Array | None:
        """(t,) see ``topics.commonness``; None without topics."""
        if self.topic_weights is None or not self.topic_weights.shape[1]:
            return None
        return commonness(self.topic_weights)

    @cached_property
    def categories(self) -> CategoryTable:
        """The papers' categories as numbers."""
        return CategoryTable.of(self.columns.categories)

    @cached_property
    def main_topics(self) -> IndexArray:
        """(n,) the topic with the greatest weight of each paper; -1 if unknown."""
        if self.topic_weights is None:
            return np.full(len(self), -1, dtype=np.intp)
        return main_topics(self.topic_weights)

    @cached_property
    def word_density(self) -> Float32Array:
        """(n,) mean TF-IDF cosine of each paper to its nearest papers of the background; NaN without a bundle."""
        if self.tfidf is None or self.background is None:
            return np.full(len(self), np.nan, dtype=np.float32)
        return self.background.word_density(self.tfidf)

    @cached_property
    def factor_density(self) -> Float32Array:
        """(n,) mean cosine of each paper's factors to the nearest of the background; NaN if the vector is pending."""
        if self.factors is None or self.background is None:
            return np.full(len(self), np.nan, dtype=np.float32)
        return self.background.factor_density(self.factors)

    @cached_property
    def user_factors(self) -> Float32Array:
        """(n, m) float32 user factors of unit length, see ``CoLikes``; m is 0 without co-likes."""
        if self.co_likes is None or self.factors is None:
            return np.empty((len(self), 0), dtype=np.float32)
        return self.co_likes.placed(self.columns.texts, self.factors)

    @property
    def vectors(self) -> dict[str, Float32Array]:
        """(n, w) rows of the papers in each vector space that they are in, by the name that ``Likeness`` gives it."""
        found = {"plain": self.units, "whitened": self.whitened, "factors": self.factors, "users": self.user_factors}
        return {space: rows for space, rows in found.items() if rows is not None and rows.shape[1]}

    def with_signals(self, signals: Signals | None) -> "PaperMatrix":
        """Return the same papers with other signals. Computed values are kept, because none of them reads signals."""
        columns = replace(self.columns, signals=signals)
        found = replace(self, columns=columns)
        own = {field.name for field in fields(self)}
        vars(found).update({name: value for name, value in vars(self).items() if name not in own})
        return found

    def row_values(self) -> dict[str, Any]:
        """Return the values that belong to single papers, by name: those given and those computed so far."""
        return {name: vars(self)[name] for name in (*_GIVEN, *_EXPENSIVE) if name in vars(self)}

    @classmethod
    def of_row_values(
        cls, columns: PaperColumns, values: Mapping[str, Any], background: Background | None, co_likes: CoLikes | None
    ) -> "PaperMatrix":
        """Return a matrix of papers from the output of ``row_values``."""
        given = {name: values[name] for name in _GIVEN}
        found = cls(columns=columns, background=background, co_likes=co_likes, **given)
        vars(found).update({name: value for name, value in values.items() if name not in given})
        return found

    def take(self, rows: Sequence[int]) -> "PaperMatrix":
        """Return the papers at ``rows``, in that order."""
        index = np.asarray(rows, dtype=np.intp)
        values = {name: taken_rows(value, index) for name, value in self.row_values().items()}
        return self.of_row_values(self.columns.take(rows), values, self.background, self.co_likes)

    def completed(self) -> "PaperMatrix":
        """Compute the expensive values that rows taken from this matrix keep, and return this matrix."""
        for name in _EXPENSIVE:
            getattr(self, name)
        return self


@dataclass(frozen=True)
class Spaces:
    """The spaces of a bundle: how vectors and words of papers become comparable.

    Attributes:
        whitening_mean: (d,) float32 mean of unit vectors.
        whitening_matrix: (d, d) float32; row vectors are multiplied by it from the left.
        idf: (buckets,) float32 inverse document frequency of each term bucket, 0 or more.
        average_length: Mean number of terms of a text, for BM25.
        topics: The topics; None if there are none.
        factor_map: The map to co-like factors; None if training had no likes.
        background: The sample that densities refer to; None if there is none.
        co_likes: The papers with user factors; None if training had no likes.
    """

    whitening_mean: Float32Array
    whitening_matrix: Float32Array
    idf: Float32Array
    average_length: float
    topics: Topics | None = None
    factor_map: FactorMap | None = None
    background: Background | None = None
    co_likes: CoLikes | None = None

    @property
    def embedding_dim(self) -> int:
        """d, the length of the encoder's vectors."""
        return len(self.whitening_mean)

    def adapted(self, catalog: CorpusStatistics | None) -> "Spaces":
        """Return the spaces for a catalog; for an empty catalog if it is None. (A stand-in: the real one is coming.)"""
        if catalog is None or not catalog.paper_count:
            return self
        if catalog.embedding_dim != self.embedding_dim:
            raise InputError(f"the catalog's vectors have length {catalog.embedding_dim}, not {self.embedding_dim}")
        idf = np.minimum(-np.log(np.maximum(catalog.term_shares, 1e-12)), 7.0).astype(np.float32)
        return replace(self, idf=idf, average_length=catalog.average_length, whitening_mean=catalog.vector_mean)

    def matrix(self, columns: PaperColumns) -> PaperMatrix:
        """Return the papers in these spaces.

        Raises:
            InputError: The vectors do not have length ``embedding_dim``.
        """
        if columns.embeddings.shape[1] != self.embedding_dim:
            raise InputError(
                f"embeddings must have the bundle's length {self.embedding_dim}, but have {columns.embeddings.shape[1]}"
            )
        units = unit_rows(columns.embeddings)
        tfidf, bm25 = self._term_rows(columns.texts)
        return self.mapped(
            PaperMatrix(
                columns=columns,
                units=units,
                whitened=self._whiten(units),
                tfidf=tfidf,
                bm25=bm25,
                topic_weights=None if self.topics is None else self.topics.weights(units),
            )
        )

    def mapped(self, papers: PaperMatrix) -> PaperMatrix:
        """Return the papers with the factor map, background and co-likes of these spaces.

        Args:
            papers: Papers in spaces that differ from these only in factor map, background and co-likes.
        """
        if self.factor_map is None or papers.whitened is None or papers.tfidf is None:
            factors = None
        else:
            factors = self.factor_map.factors(papers.whitened, papers.tfidf)
        return replace(papers, factors=factors, background=self.background, co_likes=self.co_likes)

    def _whiten(self, units: Float32Array) -> Float32Array:
        """Return the unit rows in the whitened space, scaled to unit length."""
        return unit_rows(product(units - self.whitening_mean, self.whitening_matrix))

    def _term_rows(self, texts: Sequence[str]) -> tuple[SparseRows, SparseRows]:
        """Return TF-IDF rows of unit length with damped counts, and rows of BM25 weights of the same terms."""
        counted = [hashed_terms(text) for text in texts]
        sizes = np.array([len(buckets) for buckets, _ in counted], dtype=np.int64)
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        buckets = np.concatenate([buckets for buckets, _ in counted] or [np.empty(0, np.int32)])
        counts = np.concatenate([counts for _, counts in counted] or [np.empty(0, np.float32)])
        idf = self.idf[buckets]
        tfidf = _unit_segments((1 + _REPEAT_WEIGHT * np.log(counts)) * idf, sizes)
        lengths = np.repeat([float(counts.sum()) for _, counts in counted], sizes)
        damping = _BM25_K1 * (1 - _BM25_B + _BM25_B * lengths / self.average_length)
        bm25 = (idf * counts * (_BM25_K1 + 1) / (counts + damping)).astype(np.float32)
        return _rows(starts, buckets, tfidf), _rows(starts, buckets, bm25)


def plain_matrix(columns: PaperColumns) -> PaperMatrix:
    """Return the papers without a bundle. This is enough for cosine ranking, but not for the features of a model."""
    return PaperMatrix(columns=columns, units=unit_rows(columns.embeddings))


def taken_rows(values: Any, rows: IndexArray) -> Any:
    """Return the given rows of one of the ``PaperMatrix.row_values``; None if it is None."""
    if isinstance(values, SparseRows):
        return values.take(rows)
    return None if values is None else values[rows]


def stack_matrices(parts: Sequence[PaperMatrix]) -> PaperMatrix:
    """Join the papers of all parts into one matrix; needs at least one part.

    Raises:
        InputError: The parts are in different spaces, or a paper occurs twice.
    """
    if len({_shape(part) for part in parts}) != 1:
        raise InputError("papers of different spaces cannot be joined; all must be in the same spaces")
    rows = [part.row_values() for part in parts]
    values = {name: _stacked([row[name] for row in rows]) for name in rows[0] if all(name in row for row in rows)}
    columns = stack_columns([part.columns for part in parts])
    return PaperMatrix.of_row_values(columns, values, parts[0].background, parts[0].co_likes)


def _stacked(values: Sequence[Any]) -> Any:
    """Return the rows of all parts of one of the ``PaperMatrix.row_values``; None if a part is None."""
    if any(value is None for value in values):
        return None
    return stack_sparse(values) if isinstance(values[0], SparseRows) else np.concatenate(values)


def _shape(matrix: PaperMatrix) -> tuple[int | None, ...]:
    """Return the widths of all spaces, which differ for most matrices of different bundles."""
    arrays = (matrix.units, matrix.whitened, matrix.topic_weights, matrix.factors)
    widths = (None if array is None else array.shape[1] for array in arrays)
    return (*widths, None if matrix.tfidf is None else matrix.tfidf.width)


def _unit_segments(values: Float32Array, sizes: IndexArray) -> Float32Array:
    """Return the values scaled so that each run of ``sizes`` values has length 1; runs of zeros stay zero."""
    owners = np.repeat(np.arange(len(sizes)), sizes)
    squares = np.bincount(owners, weights=values.astype(np.float64) ** 2, minlength=len(sizes))
    lengths = np.sqrt(squares)
    lengths[lengths == 0] = 1
    return (values / lengths[owners]).astype(np.float32)


def _rows(starts: Int32Array, buckets: Int32Array, values: Float32Array) -> SparseRows:
    return SparseRows(starts=starts, columns=buckets, values=values, width=BUCKET_COUNT)
