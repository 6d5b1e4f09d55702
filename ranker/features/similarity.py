"""Summaries of the similarities of candidates to many likes.

A matrix of similarities is (n_likes, n_candidates). Sums and maxima over the likes then add whole rows, which is
several times faster than sums within rows. Several matrices over the same likes may be stacked, because for a digest of
77 papers the overhead of a numpy call exceeds its work.
"""

from enum import IntEnum

import numpy as np

from ranker.spaces.linear import multiplied_rows
from ranker.types import Float32Array

FEW_CANDIDATES = 128
"""Up to this number, products of blocks of likes are as fast as one product; above it, they take twice as long."""
_SHARPNESS = np.float32(10)
_MANY_LIKES = 64
"""Above this number it is faster to select the nearest likes before sorting them."""
_FIRST, _FEW, _SOME = 1, 3, 10
_STACKED_VALUES = 20_000
"""Larger matrices are summed up one by one, because a stack of them would not fit into the processor's cache."""


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


def cosines(liked: Float32Array, candidates: Float32Array, out: Float32Array | None = None) -> Float32Array:
    """Return the cosines of (m, d) liked and (n, d) candidate unit rows; (m, n) float32, C-contiguous.

    Rows of NaN give NaN. Up to ``FEW_CANDIDATES`` the product is made in blocks of likes, see ``multiplied_rows``.
    """
    # Some BLAS kernels report rows of NaN as invalid.
    with np.errstate(invalid="ignore"):
        if len(candidates) <= FEW_CANDIDATES:
            return multiplied_rows(liked, candidates.T, out)
        return np.matmul(liked, candidates.T, out=out)


def summed_up(similarities: Float32Array, weights: Float32Array) -> Float32Array:
    """Return all summaries of each matrix in a stack; (s, len(Sum), n) float32.

    Args:
        similarities: (s, m, n) with m at least 1. A column of a matrix must be all NaN or have no NaN.
        weights: (s, m) weights of the user's linear model for each matrix.
    """
    stack_size, like_count, candidate_count = similarities.shape
    out = np.empty((stack_size, len(Sum), candidate_count), dtype=np.float32)
    step = stack_size if fit_together(like_count * candidate_count) else 1
    for start in range(0, stack_size, step):
        part = slice(start, start + step)
        _sum_up(similarities[part], weights[part], out[part])
    return out


def fit_together(values: int) -> bool:
    """Return whether matrices of this many values are summed up as a stack rather than one by one."""
    return values <= _STACKED_VALUES


def _sum_up(similarities: Float32Array, weights: Float32Array, out: Float32Array) -> None:
    factors = np.empty((len(similarities), 2, weights.shape[1]), dtype=np.float32)
    factors[:, Sum.MEAN] = np.float32(1) / np.float32(weights.shape[1])
    factors[:, Sum.LINEAR] = weights
    with np.errstate(invalid="ignore"):
        out[:, : Sum.NEAREST] = np.matmul(factors, similarities)
    for kind, means in zip((Sum.NEAREST, Sum.TOP3, Sum.TOP10), _means_of_nearest(similarities), strict=True):
        out[:, kind] = means
    shares = similarities - out[:, Sum.NEAREST, None]
    shares *= _SHARPNESS
    np.exp(shares, out=shares)
    total = np.add.reduce(shares, axis=1)
    shares *= similarities
    np.divide(np.add.reduce(shares, axis=1), total, out=out[:, Sum.SOFT_MAX])


def _means_of_nearest(similarities: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return the similarity to the nearest like and the means over the three and the ten nearest; (s, n) each."""
    nearest = nearest_first(similarities, _SOME)
    few = nearest[:, :_FEW]
    return nearest[:, 0], few.mean(axis=1), nearest.mean(axis=1)


def nearest_first(similarities: Float32Array, count: int) -> Float32Array:
    """Return the ``count`` greatest values of each column, descending; (s, count, n), or all m if there are fewer."""
    like_count = similarities.shape[1]
    widest = min(count, like_count)
    if like_count > max(_MANY_LIKES, widest):
        similarities = np.partition(similarities, like_count - widest, axis=1)[:, like_count - widest :]
    return np.sort(similarities, axis=1)[:, ::-1][:, :widest]
