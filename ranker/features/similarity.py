"""Ways to sum up how similar candidates are to many likes.

Similarities come as (n_likes, n_candidates), one row for each like: sums and greatest values over the likes are then
sums of whole rows, several times faster than sums within rows. Several such matrices over the same likes may be
stacked: a call of numpy costs more than what it does to a digest of 77 papers.
"""

from enum import IntEnum

import numpy as np

from ranker.spaces.linear import multiplied_rows
from ranker.types import Float32Array

FEW_CANDIDATES = 128
"""For so few, blocks of likes are as fast as one product; for more they would take twice as long."""
_SHARPNESS = np.float32(10)
_MANY_LIKES = 64
"""From so many on it is cheaper to part the nearest from the rest before sorting."""
_FIRST, _FEW, _SOME = 1, 3, 10
_STACKED_VALUES = 20_000
"""Larger matrices are summed up one by one: a stack of them would not fit into the processor's cache."""


class Sum(IntEnum):
    """The rows of ``summed_up``."""

    MEAN = 0
    """Of the similarities to all likes."""
    LINEAR = 1
    """The linear model of ``ridge.ridge_weights``."""
    NEAREST = 2
    TOP3 = 3
    """Mean over the three nearest likes, or all where there are fewer."""
    TOP10 = 4
    SOFT_MAX = 5
    """Mean weighted by exp(10 similarity): between the mean and the nearest like."""


def cosines(liked: Float32Array, candidates: Float32Array, out: Float32Array | None = None) -> Float32Array:
    """(m, n) float32, C-contiguous: of (m, d) liked and (n, d) candidate unit rows; NaN rows stay NaN.

    Of few candidates (``FEW_CANDIDATES``) each liked row comes out bit for bit the same whatever rows stand beside it.
    """
    # Some BLAS kernels report rows of NaN as invalid.
    with np.errstate(invalid="ignore"):
        if len(candidates) <= FEW_CANDIDATES:
            return multiplied_rows(liked, candidates.T, out)
        return np.matmul(liked, candidates.T, out=out)


def summed_up(similarities: Float32Array, weights: Float32Array) -> Float32Array:
    """Each matrix of a stack by itself.

    Args:
        similarities: (s, m, n) with at least one like; a column of a matrix is NaN throughout or not at all.
        weights: (s, m) of the linear models.

    Returns:
        (s, len(Sum), n) float32.
    """
    stack_size, like_count, candidate_count = similarities.shape
    out = np.empty((stack_size, len(Sum), candidate_count), dtype=np.float32)
    step = stack_size if fit_together(like_count * candidate_count) else 1
    for start in range(0, stack_size, step):
        part = slice(start, start + step)
        _sum_up(similarities[part], weights[part], out[part])
    return out


def fit_together(values: int) -> bool:
    """Whether matrices of so many values are summed up as a stack; larger ones come out the same one by one."""
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
    """(s, n) each: the nearest like, the mean of the three and of the ten nearest."""
    nearest = nearest_first(similarities, _SOME)
    few = nearest[:, :_FEW]
    return nearest[:, 0], few.mean(axis=1), nearest.mean(axis=1)


def nearest_first(similarities: Float32Array, count: int) -> Float32Array:
    """(s, count, n) the greatest values of each column, falling; all of them where there are fewer likes."""
    like_count = similarities.shape[1]
    widest = min(count, like_count)
    if like_count > max(_MANY_LIKES, widest):
        similarities = np.partition(similarities, like_count - widest, axis=1)[:, like_count - widest :]
    return np.sort(similarities, axis=1)[:, ::-1][:, :widest]
