"""Statistics of a corpus of papers: how common terms are, how long texts are, and how vectors are spread.

The weight of a word and the whitening of vectors are estimates about the papers at hand. So they are counted over the
catalog. The bundle holds the statistics of its training data as a prior, which counts as ``PRIOR_PAPERS`` papers: with
an empty catalog the prior alone is used, and with a full one it hardly matters.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranker.errors import InputError
from ranker.spaces.sparse import SparseRows, stack_sparse
from ranker.spaces.terms import BUCKET_COUNT, TermCounts, term_counts
from ranker.types import Float32Array, Float64Array, IndexArray

PRIOR_PAPERS = 300
"""Number of papers that the prior counts as, beside those of the catalog."""
SAMPLE_SIZE = 1_500
"""Number of papers in the sample. A smaller sample makes densities noisy; a larger one makes them slow."""


@dataclass(frozen=True)
class CorpusStatistics:
    """Statistics of a corpus.

    Attributes:
        paper_count: Number of papers counted.
        term_shares: (buckets,) float32 share of the papers that have a term of the bucket.
        average_length: Mean number of terms of a text.
        vector_count: Number of papers with a vector.
        vector_mean: (d,) float32 mean of the unit vectors.
        vector_products: (d, d) float32 mean of the outer products of the unit vectors with themselves.
        sample: (s, buckets) counts of the terms of at most ``SAMPLE_SIZE`` papers, float32.
    """

    paper_count: int
    term_shares: Float32Array
    average_length: float
    vector_count: int
    vector_mean: Float32Array
    vector_products: Float32Array
    sample: SparseRows

    @property
    def embedding_dim(self) -> int:
        """d, the length of the vectors."""
        return len(self.vector_mean)

    @property
    def covariance(self) -> Float64Array:
        """(d, d) covariance of the unit vectors."""
        mean = self.vector_mean.astype(np.float64)
        return np.asarray(self.vector_products - np.outer(mean, mean))

    def to_bytes(self) -> bytes:
        """Return the statistics in numpy's archive format, without pickle; equal statistics give equal bytes."""
        stream = io.BytesIO()
        np.savez_compressed(stream, **self.arrays())
        return stream.getvalue()

    @classmethod
    def of_bytes(cls, data: bytes) -> "CorpusStatistics":
        """Return the statistics from the output of ``to_bytes``.

        Raises:
            InputError: The data are not such an output.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                return cls.of_arrays({name: archive[name] for name in archive.files})
        except Exception as error:  # numpy, zipfile, zlib and tokenize raise errors of a dozen kinds for damaged bytes
            raise InputError(f"the bytes are not corpus statistics ({error})") from error

    def arrays(self) -> dict[str, Any]:
        """Return the arrays of a file, rounded to the precision that it keeps."""
        return {
            "paper_count": np.int64(self.paper_count),
            "term_shares": self.term_shares.astype(np.float32),
            "average_length": np.float64(self.average_length),
            "vector_count": np.int64(self.vector_count),
            "vector_mean": self.vector_mean.astype(np.float32),
            "vector_products": self.vector_products[np.triu_indices(self.embedding_dim)].astype(np.float32),
            "sample_sizes": self.sample.row_sizes.astype(np.uint16),
            "sample_columns": self.sample.columns,
            "sample_counts": np.minimum(self.sample.values, 255).astype(np.uint8),
        }

    @classmethod
    def of_arrays(cls, arrays: Any) -> "CorpusStatistics":
        """Return the statistics from the output of ``arrays``.

        Raises:
            KeyError, ValueError: An array is missing, or has the wrong shape or range.
        """
        mean, upper = arrays["vector_mean"], arrays["vector_products"]
        dim = len(mean)
        products = np.zeros((dim, dim), dtype=np.float32)
        products[np.triu_indices(dim)] = upper
        products = np.triu(products) + np.triu(products, 1).T
        sizes, columns = arrays["sample_sizes"].astype(np.int64), arrays["sample_columns"]
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        found = cls(
            paper_count=int(arrays["paper_count"]),
            term_shares=arrays["term_shares"],
            average_length=float(arrays["average_length"]),
            vector_count=int(arrays["vector_count"]),
            vector_mean=mean,
            vector_products=products,
            sample=SparseRows(starts, columns, arrays["sample_counts"].astype(np.float32), BUCKET_COUNT),
        )
        found.check()
        return found

    def check(self) -> None:
        """Check shapes and ranges.

        Raises:
            ValueError: The message names the value that is wrong.
        """
        shares, sample = self.term_shares, self.sample
        if shares.shape != (BUCKET_COUNT,) or shares.dtype != np.float32 or not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"term_shares must be {BUCKET_COUNT} float32 values from 0 to 1")
        if min(self.paper_count, self.vector_count) < 0 or not 0 < self.average_length < np.inf:
            raise ValueError("counts must be at least 0, and average_length above 0")
        if not (np.isfinite(self.vector_mean).all() and np.isfinite(self.vector_products).all()):
            raise ValueError("vector_mean and vector_products must be finite")
        if sample.starts[-1] != len(sample.columns) or len(sample.values) != len(sample.columns):
            raise ValueError("sample_sizes, sample_columns and sample_counts do not form rows")
        if sample.columns.dtype != np.int32 or ((sample.columns < 0) | (sample.columns >= BUCKET_COUNT)).any():
            raise ValueError(f"sample_columns must be int32 from 0 to {BUCKET_COUNT - 1}")
        if (sample.values < 1).any():
            raise ValueError("sample_counts must be at least 1")


class StatisticsCounter:
    """Counts a corpus part by part, so that memory does not grow with the corpus.

    Args:
        embedding_dim: Length of the vectors.
        paper_count: Number of papers to come, from which the evenly spaced sample is taken.
    """

    def __init__(self, embedding_dim: int, paper_count: int) -> None:
        self._term_papers = np.zeros(BUCKET_COUNT)
        self._length = 0.0
        self._papers = 0
        self._vectors = 0
        self._sum = np.zeros(embedding_dim)
        self._products = np.zeros((embedding_dim, embedding_dim))
        self._sampled = spread(paper_count, SAMPLE_SIZE)
        self._sample: list[SparseRows] = [count_terms([])]

    def add(self, texts: Iterable[str], units: Float32Array) -> None:
        """Count some papers; see ``add_counts``."""
        self.add_counts(count_terms(texts), units)

    def add_counts(self, counts: SparseRows, units: Float32Array) -> None:
        """Count some papers.

        Args:
            counts: (n, buckets) counts of the papers' terms, see ``count_terms``.
            units: Unit vectors of the papers that have one; their order does not matter, and NaN rows do not count.
        """
        self._term_papers += np.bincount(counts.columns, minlength=BUCKET_COUNT)
        self._length += float(counts.values.sum())
        numbers = np.arange(self._papers, self._papers + len(counts))
        self._sample.append(counts.take(np.flatnonzero(np.isin(numbers, self._sampled))))
        self._papers += len(counts)
        known = units[np.isfinite(units).all(axis=1)].astype(np.float64)
        self._vectors += len(known)
        self._sum += known.sum(axis=0)
        self._products += known.T @ known

    def finish(self) -> CorpusStatistics:
        """Return the statistics of all papers so far."""
        vectors = max(self._vectors, 1)
        return CorpusStatistics(
            paper_count=self._papers,
            term_shares=(self._term_papers / max(self._papers, 1)).astype(np.float32),
            average_length=self._length / max(self._papers, 1) or 1.0,
            vector_count=self._vectors,
            vector_mean=(self._sum / vectors).astype(np.float32),
            vector_products=(self._products / vectors).astype(np.float32),
            sample=stack_sparse(self._sample),
        )


def count_terms(texts: Iterable[str], count: Callable[[str], TermCounts] = term_counts) -> SparseRows:
    """Return the counts of the texts' terms; (texts, buckets) float32.

    Args:
        count: ``term_counts``, or ``hashed_terms``, which keeps the counts of recent texts.
    """
    counted = [count(text) for text in texts]
    starts = np.concatenate(([0], np.cumsum([len(buckets) for buckets, _ in counted], dtype=np.int64)))
    columns = np.concatenate([buckets for buckets, _ in counted] or [np.empty(0, np.int32)])
    counts = np.concatenate([counts for _, counts in counted] or [np.empty(0, np.float32)])
    return SparseRows(starts.astype(np.int32), columns, counts, BUCKET_COUNT)


def count_corpus(counts: SparseRows, units: Float32Array) -> CorpusStatistics:
    """Return the statistics of papers; see ``StatisticsCounter.add_counts`` for the arguments."""
    counter = StatisticsCounter(units.shape[1], len(counts))
    counter.add_counts(counts, units)
    return counter.finish()


def blended(parts: Sequence[CorpusStatistics], weights: Sequence[float]) -> CorpusStatistics:
    """Return the weighted mean of statistics; the sample holds papers of each part in proportion to its weight.

    Args:
        weights: At least 0, not all 0. The vectors of a part without vectors do not count.
    """
    by_paper = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    by_vector = np.where([part.vector_count > 0 for part in parts], by_paper, 0.0)
    by_vector /= by_vector.sum() or 1.0
    lengths = [part.average_length for part in parts]
    sizes = np.rint(by_paper * SAMPLE_SIZE).astype(int).tolist()
    return CorpusStatistics(
        paper_count=sum(part.paper_count for part in parts),
        term_shares=_mean([part.term_shares for part in parts], by_paper),
        average_length=float(by_paper @ lengths),
        vector_count=sum(part.vector_count for part in parts),
        vector_mean=_mean([part.vector_mean for part in parts], by_vector),
        vector_products=_mean([part.vector_products for part in parts], by_vector),
        sample=stack_sparse(
            [part.sample.take(spread(len(part.sample), size)) for part, size in zip(parts, sizes, strict=True)]
        ),
    )


def with_prior(prior: CorpusStatistics, catalog: CorpusStatistics | None) -> CorpusStatistics:
    """Return the statistics of a catalog, with those of a bundle's training data as a prior.

    Raises:
        InputError: The vectors differ in length.
    """
    if catalog is None or not catalog.paper_count:
        return prior
    if catalog.embedding_dim != prior.embedding_dim:
        raise InputError(f"vectors have length {catalog.embedding_dim} in the catalog, {prior.embedding_dim} before")
    return blended([prior, catalog], [PRIOR_PAPERS, catalog.paper_count])


def _mean(arrays: Sequence[Float32Array], weights: Float64Array) -> Float32Array:
    total = sum(weight * array.astype(np.float64) for array, weight in zip(arrays, weights.tolist(), strict=True))
    return np.asarray(total, dtype=np.float32)


def spread(total: int, count: int) -> IndexArray:
    """Return ``count`` evenly spaced numbers below ``total``, ascending; all of them if there are fewer."""
    return np.linspace(0, total - 1, min(count, total)).astype(np.intp)
