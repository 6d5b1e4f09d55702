"""Summaries of the similarities of candidates to many likes.

A matrix of similarities is (n_likes, n_candidates). Sums and maxima over the likes then add whole rows, which is
several times faster than sums within rows. Several matrices over the same likes may be stacked, because for a digest of
77 papers the overhead of a numpy call exceeds its work.
"""

from enum import IntEnum

import numpy as np

from ranker.spaces.linear import product
from ranker.types import Float32Array

FEW_CANDIDATES = 128
"""Up to this number, blocks of likes are multiplied and BM25 similarities are computed for each like.

Above it, blocks would take twice as long, and only the sum of the BM25 similarities is computed to save memory.
"""
_SHARPNESS = np.float32(10)
_MANY_LIKES = 64
"""Above this number it is faster to select the nearest likes before sorting them."""
_FEW, _SOME = 3, 10


class Sum(IntEnum):
    """The summaries, which are the rows of the output of ``summed_up``."""

    MEAN = 0
    """Mean over all likes."""
    LINEAR = 1
    """Score of the user's linear model, see ``ridge.ridge_weights``."""
    NEAREST = 2
    """Similarity to the nearest like."""
    TOP3 = 3
    """Mean over the three nearest likes, or over all if there are fewer."""
    TOP10 = 4
    """Mean over the ten nearest likes, or over all if there are fewer."""
    SOFT_MAX = 5
    """Mean weighted by exp(10 * similarity), which lies between the mean and the nearest like."""


def cosines(liked: Float32Array, candidates: Float32Array) -> Float32Array:
    """Return the cosines of (m, d) liked and (n, d) candidate unit rows; (m, n) float32. Rows of NaN give NaN."""
    if len(candidates) <= FEW_CANDIDATES:
        return product(liked, candidates.T)
    with np.errstate(invalid="ignore"):
        return np.asarray(liked @ candidates.T)


def summed_up(similarities: Float32Array, weights: Float32Array) -> Float32Array:
    """Return all summaries of each matrix in a stack; (s, len(Sum), n) float32.

    Args:
        similarities: (s, m, n) with m at least 1. A column of a matrix must be all NaN or have no NaN.
        weights: (s, m) weights of the user's linear model for each matrix.
    """
    out = np.empty((len(similarities), len(Sum), similarities.shape[2]), dtype=np.float32)
    factors = np.empty((len(similarities), 2, weights.shape[1]), dtype=np.float32)
    factors[:, Sum.MEAN] = np.float32(1) / np.float32(weights.shape[1])
    factors[:, Sum.LINEAR] = weights
    with np.errstate(invalid="ignore"):
        out[:, : Sum.NEAREST] = np.matmul(factors, similarities)
    nearest = nearest_first(similarities, _SOME)
    out[:, Sum.NEAREST] = nearest[:, 0]
    out[:, Sum.TOP3] = nearest[:, :_FEW].mean(axis=1)
    out[:, Sum.TOP10] = nearest.mean(axis=1)
    shares = similarities - out[:, Sum.NEAREST, None]
    shares *= _SHARPNESS
    np.exp(shares, out=shares)
    total = np.add.reduce(shares, axis=1)
    shares *= similarities
    np.divide(np.add.reduce(shares, axis=1), total, out=out[:, Sum.SOFT_MAX])
    return out


def nearest_first(similarities: Float32Array, count: int) -> Float32Array:
    """Return the ``count`` greatest values of each column, descending; (s, count, n), or all m if there are fewer."""
    like_count = similarities.shape[1]
    widest = min(count, like_count)
    if like_count > max(_MANY_LIKES, widest):
        similarities = np.partition(similarities, like_count - widest, axis=1)[:, like_count - widest :]
    return np.sort(similarities, axis=1)[:, ::-1][:, :widest]
