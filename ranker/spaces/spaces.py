"""The spaces in which papers become comparable, and matrices of papers in these spaces.

Up to rounding, the row of a paper does not depend on the other papers of its matrix. So matrices may be built for one
paper, a digest or a whole catalog, and their rows may be taken and joined freely.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ranker.errors import InputError
from ranker.papers import PaperColumns, stack_columns
from ranker.relative import standardised
from ranker.signals import Signals
from ranker.spaces.categories import CategoryTable
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import inverse_root, unit_rows
from ranker.spaces.sparse import SparseRows, stack_sparse, telling_terms
from ranker.spaces.statistics import CorpusStatistics, count_terms, with_prior
from ranker.spaces.terms import hashed_terms
from ranker.spaces.topics import Topics
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray

MAX_IDF = 8.0
"""The weight of a term in one of 3,000 texts. Rarer terms, mostly pairs of words, do not tell texts apart any better;
without this limit they make up most of a text's length."""
WHITENING_DAMPING = 2.0
"""Added to each variance before whitening, in units of the mean variance, so that noise is not blown up."""
NEAREST_SHARE = 1 / 30
"""Share of the background that counts as near. A smaller one makes densities noisy; a larger one hides differences."""
_FEW_COSINES = 500
"""Up to this number of papers their mutual cosines are cached (1 MB), because the slates of all users read them."""
_REPEAT_WEIGHT = 0.3
"""The TF-IDF weight of a term grows by this much when its count in a text grows e-fold."""
_ROWS = ("units", "whitened", "tfidf", "factors")


@dataclass(frozen=True)
class PaperMatrix:
    """A matrix of n papers in the spaces of one bundle. It is immutable, so users and threads share it.

    Attributes:
        units: (n, d) float32 vectors of unit length; NaN rows where the vector is pending.
        whitened: (n, d) float32 whitened vectors of unit length, NaN rows as in ``units``; None without a bundle.
        tfidf: (n, buckets) TF-IDF rows of unit length, empty for texts without words; None without a bundle.
        factors: (n, k) float32 co-like factors of unit length, NaN rows as in ``units``; None without a factor map.
        spaces: The spaces of the bundle, whose background and topics the papers are compared with; None without a
            bundle.
    """

    columns: PaperColumns
    units: Float32Array
    whitened: Float32Array | None = None
    tfidf: SparseRows | None = None
    factors: Float32Array | None = None
    spaces: "Spaces | None" = None

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def has_vector(self) -> BoolArray:
        """(n,) False where the vector is pending."""
        # The maximum makes a row without components pending.
        finite = np.isfinite(self.units).sum(axis=1) == max(self.units.shape[1], 1)
        return np.asarray(finite, dtype=np.bool_)

    def cosines_among(self, rows: IndexArray) -> Float32Array:
        """Return the mutual cosines of the papers at ``rows``; (m, m) float32, 0 where a vector is pending."""
        if len(self) <= _FEW_COSINES:
            return self._cosines.take(rows, axis=0).take(rows, axis=1)
        known = np.nan_to_num(self.units[rows])
        return known @ known.T

    @cached_property
    def _cosines(self) -> Float32Array:
        known = np.nan_to_num(self.units)
        return known @ known.T

    def cosines_to(self, parts: Sequence[Float32Array]) -> Float32Array:
        """Return the cosines of the papers to the unit rows of all parts, m in all; (m, n), NaN for pending vectors."""
        rows = [part for part in parts if len(part)]
        if not rows:
            return np.empty((0, len(self)), dtype=np.float32)
        # Some BLAS kernels report rows of NaN as invalid.
        with np.errstate(invalid="ignore"):
            return np.asarray(np.concatenate(rows) @ self.units.T)

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
    def terms(self) -> SparseRows | None:
        """The terms of the papers, weighted for the comparison with likes; None without a bundle."""
        return None if self.tfidf is None else telling_terms(self.tfidf)

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
        """(n,) how crowded the neighbourhood of each paper is, in standard deviations from the papers' mean.

        A paper written in common words is similar to everything. So the more crowded its neighbourhood, the less its
        similarity to a library says (compare cross-domain local scaling, Conneau et al. 2018). The crowding is the mean
        TF-IDF cosine to the nearest papers of the background; it is 0 without a bundle.
        """
        if self.tfidf is None or self.spaces is None or not len(self.spaces.background):
            return np.zeros(len(self), dtype=np.float32)
        cosines = self.tfidf.dot(self.spaces.background)
        count = max(1, round(cosines.shape[1] * NEAREST_SHARE))
        nearest = np.partition(cosines, cosines.shape[1] - count, axis=1)[:, cosines.shape[1] - count :]
        return np.nan_to_num(standardised(nearest.mean(axis=1)))

    @cached_property
    def categories(self) -> CategoryTable:
        """The papers' categories as numbers."""
        return CategoryTable.of(self.columns.categories)

    @cached_property
    def main_topics(self) -> IndexArray:
        """(n,) the nearest topic of each paper; -1 if unknown."""
        if self.spaces is None or self.spaces.topics is None:
            return np.full(len(self), -1, dtype=np.intp)
        return self.spaces.topics.nearest(self.units)

    def compute(self) -> None:
        """Compute now what is otherwise computed when it is first needed, except for cosines."""
        for name, value in vars(type(self)).items():
            if isinstance(value, cached_property) and name != "_cosines":
                getattr(self, name)

    @property
    def vectors(self) -> dict[str, Float32Array]:
        """(n, w) rows of the papers in each vector space that they are in, by its name."""
        found = {"plain": self.units, "whitened": self.whitened, "factors": self.factors}
        return {space: rows for space, rows in found.items() if rows is not None}

    def with_signals(self, signals: Signals | None) -> "PaperMatrix":
        """Return the same papers with other signals. Computed values are kept, because none of them reads signals."""
        columns = replace(self.columns, signals=signals)
        found = replace(self, columns=columns)
        own = {field.name for field in fields(self)}
        vars(found).update({name: value for name, value in vars(self).items() if name not in own})
        return found

    def take(self, rows: Sequence[int]) -> "PaperMatrix":
        """Return the papers at ``rows``, in that order."""
        index = np.asarray(rows, dtype=np.intp)
        taken = {name: taken_rows(vars(self)[name], index) for name in _ROWS}
        return PaperMatrix(columns=self.columns.take(rows), **taken, spaces=self.spaces)


@dataclass(frozen=True)
class Spaces:
    """The spaces of a bundle: how vectors and words of papers become comparable.

    Term weights, whitening and background come from ``statistics``, which are those of the training data until
    ``adapted`` adds those of a catalog.

    Attributes:
        prior: Statistics of the training data.
        topics: The topics; None if there are none.
        factor_map: The map to co-like factors; None if it was not learned.
        statistics: The statistics in use.
    """

    prior: CorpusStatistics
    topics: Topics | None = None
    factor_map: FactorMap | None = None
    catalog: CorpusStatistics | None = None

    @property
    def embedding_dim(self) -> int:
        """d, the length of the encoder's vectors."""
        return self.prior.embedding_dim

    def adapted(self, catalog: CorpusStatistics | None) -> "Spaces":
        """Return the spaces for a catalog; for an empty catalog if it is None.

        Raises:
            InputError: The catalog's vectors have another length.
        """
        found = replace(self, catalog=catalog)
        # Computed at once, so that the first request does not wait for it.
        _ = found.idf, found.whitening_matrix, found.background
        return found

    @cached_property
    def statistics(self) -> CorpusStatistics:
        """The statistics in use: those of the catalog, with the prior."""
        return with_prior(self.prior, self.catalog)

    @cached_property
    def idf(self) -> Float32Array:
        """(buckets,) inverse document frequency of each term bucket, from 0 to ``MAX_IDF``."""
        shares = np.clip(self.statistics.term_shares.astype(np.float64), np.exp(-MAX_IDF), 1.0)
        return np.asarray(-np.log(shares), dtype=np.float32)

    @cached_property
    def whitening_matrix(self) -> Float32Array:
        """(d, d) symmetric inverse square root of the damped covariance of the vectors."""
        return inverse_root(self.statistics.covariance, WHITENING_DAMPING)

    @cached_property
    def background(self) -> SparseRows:
        """TF-IDF rows of the statistics' sample."""
        return self._tfidf(self.statistics.sample)

    def matrix(self, columns: PaperColumns, counts: SparseRows | None = None) -> PaperMatrix:
        """Return the papers in these spaces.

        Args:
            counts: Output of ``count_terms`` for the texts; None counts them.

        Raises:
            InputError: The vectors do not have length ``embedding_dim``.
        """
        if columns.embeddings.shape[1] != self.embedding_dim:
            raise InputError(
                f"embeddings must have the bundle's length {self.embedding_dim}, but have {columns.embeddings.shape[1]}"
            )
        units = unit_rows(columns.embeddings)
        tfidf = self._tfidf(count_terms(columns.texts, hashed_terms) if counts is None else counts)
        # Some BLAS kernels report rows of NaN as invalid.
        with np.errstate(invalid="ignore"):
            centred: Float32Array = units - self.statistics.vector_mean
            whitened = unit_rows(centred @ self.whitening_matrix)
            return PaperMatrix(
                columns=columns,
                units=units,
                whitened=whitened,
                tfidf=tfidf,
                factors=None if self.factor_map is None else self.factor_map.factors(units, tfidf),
                spaces=self,
            )

    def _tfidf(self, counts: SparseRows) -> SparseRows:
        """Return rows of term counts as TF-IDF rows of unit length with damped counts."""
        values = (1 + _REPEAT_WEIGHT * np.log(counts.values)) * self.idf[counts.columns]
        lengths = np.sqrt(np.bincount(counts.owners, values.astype(np.float64) ** 2, len(counts)))
        lengths[lengths == 0] = 1
        return replace(counts, values=(values / lengths[counts.owners]).astype(np.float32))


def plain_matrix(columns: PaperColumns) -> PaperMatrix:
    """Return the papers without a bundle. This is enough for cosine ranking, but not for the features of a model."""
    return PaperMatrix(columns=columns, units=unit_rows(columns.embeddings))


def taken_rows(values: Any, rows: IndexArray) -> Any:
    """Return the given rows of an array or of sparse rows; None if it is None."""
    if isinstance(values, SparseRows):
        return values.take(rows)
    return None if values is None else values[rows]


def stack_matrices(parts: Sequence[PaperMatrix]) -> PaperMatrix:
    """Join the papers of all parts into one matrix; needs at least one part.

    Raises:
        InputError: The parts are in different spaces, or a paper occurs twice.
    """
    values = {name: _stacked([vars(part)[name] for part in parts]) for name in _ROWS}
    columns = stack_columns([part.columns for part in parts])
    return PaperMatrix(columns=columns, **values, spaces=parts[0].spaces)


def _stacked(values: Sequence[Any]) -> Any:
    """Return the rows of all parts; None if they are None."""
    widths = {None if value is None else value.shape[1] for value in values}
    if len(widths) != 1:
        raise InputError("papers of different spaces cannot be joined; all must be in the same spaces")
    if None in widths:
        return None
    return stack_sparse(values) if isinstance(values[0], SparseRows) else np.concatenate(values)
