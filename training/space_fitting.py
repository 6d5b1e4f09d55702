"""Whitening and term weights, counted over the papers that training may see."""

from collections.abc import Sequence

import numpy as np

from ranker.spaces import Spaces, unit_rows
from ranker.terms import BUCKET_COUNT, hashed_terms
from ranker.types import Float32Array
from training.snapshot import Dataset
from training.topic_fitting import fit_topics


def fit_spaces(datasets: Sequence[Dataset], damping: float, topic_count: int = 0) -> Spaces:
    """The spaces of a bundle. Each data set weighs the same, so that a big one does not set the scale for all."""
    mean, matrix = _whitening([dataset.papers.embeddings for dataset in datasets], damping)
    idf, average_length = _term_weights([dataset.papers.texts for dataset in datasets])
    return Spaces(mean, matrix, idf, average_length, fit_topics(datasets, topic_count) if topic_count else None)


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

    A term never seen weighs as much as one seen in a single text.
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
    return np.log(1 / np.clip(shares, rarest, 1)).astype(np.float32), max(lengths, default=0.0) or 1.0
