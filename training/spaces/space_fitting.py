"""Whitening, term weights and background, counted over the papers that training may see."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ranker.spaces.background import Background
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import Spaces
from ranker.spaces.sparse import stack_sparse
from ranker.spaces.terms import BUCKET_COUNT, hashed_terms
from ranker.types import Float32Array
from training.data.snapshot import Dataset
from training.spaces.topic_fitting import fit_topics

MAX_IDF = 7.0
"""Of a term in one of 1,100 texts: what is rarer still, most of it pairs of words, tells two texts apart no better, and
uncapped it makes up most of a text's length."""


def fit_spaces(datasets: Sequence[Dataset], damping: float, topic_count: int = 0) -> Spaces:
    """The spaces of a bundle. Each data set weighs the same, so that a big one does not set the scale for all."""
    mean, matrix = _whitening([dataset.papers.embeddings for dataset in datasets], damping)
    idf, average_length = _term_weights([dataset.papers.texts for dataset in datasets])
    return Spaces(mean, matrix, idf, average_length, fit_topics(datasets, topic_count) if topic_count else None)


def with_factors(
    spaces: Spaces, datasets: Sequence[Dataset], factor_map: FactorMap | None, background_count: int
) -> Spaces:
    """The spaces with a map, and a background of about so many papers; each data set gives as many.

    The papers are evenly spaced in their data set. Values are rounded to what a bundle keeps (float16).
    """
    mapped = replace(spaces, factor_map=factor_map)
    share = max(1, background_count // max(len(datasets), 1))
    parts = [mapped.matrix(dataset.papers.take(_spread(dataset, share))) for dataset in datasets]
    tfidf = stack_sparse([part.tfidf for part in parts if part.tfidf is not None])
    factors = [_halved(part.factors) for part in parts if part.factors is not None]
    background = Background(replace(tfidf, values=_halved(tfidf.values)), np.concatenate(factors) if factors else None)
    return replace(mapped, background=background)


def _spread(dataset: Dataset, count: int) -> list[int]:
    """Rows of so many papers that have vectors; all papers where none has."""
    known = np.flatnonzero(np.isfinite(dataset.papers.embeddings).all(axis=1))
    rows = known if len(known) else np.arange(len(dataset.papers))
    return [int(row) for row in rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(np.intp))]]


def _halved(values: Float32Array) -> Float32Array:
    return values.astype(np.float16).astype(np.float32)


def _whitening(vectors: Sequence[Float32Array], damping: float) -> tuple[Float32Array, Float32Array]:
    """Mean, and the symmetric inverse square root of the damped covariance."""
    units = [unit_rows(part).astype(np.float64) for part in vectors]
    known = [part[np.isfinite(part).all(axis=1)] for part in units]
    means = np.array([part.mean(axis=0) for part in known if len(part)])
    mean = means.mean(axis=0)
    covariance = np.mean([(part - mean).T @ (part - mean) / len(part) for part in known if len(part)], axis=0)
    variances, directions = np.linalg.eigh(covariance)
    scale = 1 / np.sqrt(np.maximum(variances, 0) + damping * variances.mean() + 1e-12)
    return mean.astype(np.float32), ((directions * scale) @ directions.T).astype(np.float32)


def _term_weights(texts: Sequence[Sequence[str]]) -> tuple[Float32Array, float]:
    """Inverse document frequencies from the mean share of texts a bucket occurs in, and the mean length of long texts.

    A term never seen weighs as much as one seen in a single text, and none more than ``MAX_IDF``.
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
