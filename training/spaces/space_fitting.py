"""Fits whitening, term weights and background on the papers that training may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ranker.spaces.background import Background
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import PaperMatrix, Spaces
from ranker.spaces.sparse import stack_sparse
from ranker.spaces.terms import BUCKET_COUNT, hashed_terms
from ranker.types import Float32Array, Float64Array
from training.data.snapshot import Dataset, Likes
from training.spaces.topic_fitting import fit_topics

MAX_IDF = 7.0
"""The weight of a term in one of 1,100 texts. Rarer terms, mostly pairs of words, do not tell texts apart any better;
without this limit they make up most of a text's length."""


@dataclass(frozen=True)
class LikedPapers:
    """The papers of one data set, and the likes that a map or co-likes may learn from."""

    papers: PaperMatrix
    likes: Likes


def fit_spaces(datasets: Sequence[Dataset], damping: float, topic_count: int = 0) -> Spaces:
    """Return spaces without a map. Each data set weighs the same, so that a big one does not set the scale for all.

    Args:
        damping: Added to each variance, in units of the mean variance.
        topic_count: Greatest number of topics; 0 fits none.
    """
    mean, matrix = _whitening([dataset.papers.embeddings for dataset in datasets], damping)
    idf, average_length = _term_weights([dataset.papers.texts for dataset in datasets])
    return Spaces(mean, matrix, idf, average_length, fit_topics(datasets, topic_count) if topic_count else None)


def with_factors(
    spaces: Spaces, datasets: Sequence[Dataset], factor_map: FactorMap | None, background_count: int
) -> Spaces:
    """Return the spaces with a map and a background of about ``background_count`` papers.

    Each data set gives equally many papers, evenly spaced. Values are rounded to float16, as the bundle stores them.
    """
    mapped = replace(spaces, factor_map=factor_map)
    share = max(1, background_count // max(len(datasets), 1))
    parts = [mapped.matrix(dataset.papers.take(_spread(dataset, share))) for dataset in datasets]
    tfidf = stack_sparse([part.tfidf for part in parts if part.tfidf is not None])
    factors = [_halved(part.factors) for part in parts if part.factors is not None]
    background = Background(replace(tfidf, values=_halved(tfidf.values)), np.concatenate(factors) if factors else None)
    return replace(mapped, background=background)


def _spread(dataset: Dataset, count: int) -> list[int]:
    """Return rows of ``count`` papers with vectors, evenly spaced; of any papers where none has a vector."""
    known = np.flatnonzero(np.isfinite(dataset.papers.embeddings).all(axis=1))
    rows = known if len(known) else np.arange(len(dataset.papers))
    return [int(row) for row in rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(np.intp))]]


def _halved(values: Float32Array) -> Float32Array:
    return values.astype(np.float16).astype(np.float32)


def _whitening(vectors: Sequence[Float32Array], damping: float) -> tuple[Float32Array, Float32Array]:
    """Return the mean, and the symmetric inverse square root of the damped covariance."""
    units = [unit_rows(part).astype(np.float64) for part in vectors]
    known = [part[np.isfinite(part).all(axis=1)] for part in units]
    means = np.array([part.mean(axis=0) for part in known if len(part)])
    mean = means.mean(axis=0)
    covariance = np.mean([(part - mean).T @ (part - mean) / len(part) for part in known if len(part)], axis=0)
    return mean.astype(np.float32), inverse_root(covariance, damping)


def inverse_root(covariance: Float64Array, damping: float) -> Float32Array:
    """Return the symmetric inverse square root of a covariance, with ``damping`` mean variances added to each."""
    variances, directions = np.linalg.eigh(covariance)
    scale = 1 / np.sqrt(np.maximum(variances, 0) + damping * variances.mean() + 1e-12)
    return np.asarray((directions * scale) @ directions.T, dtype=np.float32)


def _term_weights(texts: Sequence[Sequence[str]]) -> tuple[Float32Array, float]:
    """Return inverse document frequencies by bucket, and the greatest mean text length of all data sets.

    The frequency is the mean share of texts with the bucket. A term that was never seen weighs as much as a term of a
    single text; no weight exceeds ``MAX_IDF``.
    """
    shares = np.zeros(BUCKET_COUNT)
    lengths: list[float] = []
    for part in texts:
        seen = np.zeros(BUCKET_COUNT)
        terms = [hashed_terms(text) for text in part]
        for buckets, _ in terms:
            seen[buckets] += 1
        shares += seen / max(len(part), 1) / len(texts)
        lengths.append(float(np.mean([counts.sum() for _, counts in terms] or [0.0])))
    rarest = 1 / max(sum(len(part) for part in texts), 1)
    idf = np.minimum(np.log(1 / np.clip(shares, rarest, 1)), MAX_IDF)
    return idf.astype(np.float32), max(lengths, default=0.0) or 1.0
