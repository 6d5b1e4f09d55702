"""Ways to sum up how similar candidates are to many likes; shared by the families that compare papers.

Similarities come as (n_likes, n_candidates), one row for each like: sums and greatest values over the likes are then
sums of whole rows, several times faster than sums within rows.
"""

import numpy as np

from ranker.types import Float32Array

_SOFTNESS = np.float32(0.1)
_MANY_LIKES = 64
"""From so many on it is cheaper to part the nearest from the rest before sorting."""


def cosines(liked: Float32Array, candidates: Float32Array) -> Float32Array:
    """(m, n) float32, C-contiguous: of (m, d) liked and (n, d) candidate unit rows; NaN rows stay NaN."""
    # Some BLAS kernels report rows of NaN as invalid.
    with np.errstate(invalid="ignore"):
        return np.ascontiguousarray((candidates @ liked.T).T)


def nearest_means(similarities: Float32Array, counts: tuple[int, ...]) -> Float32Array:
    """Mean of the nearest likes, for each of ``counts``.

    Args:
        similarities: (n_likes, n_candidates) with at least one like; a column is NaN throughout or not at all.
        counts: Ascending; where there are fewer likes, all of them count.

    Returns:
        (len(counts), n_candidates) float32.
    """
    like_count = len(similarities)
    widest = min(counts[-1], like_count)
    if like_count > max(_MANY_LIKES, widest):
        similarities = np.partition(similarities, like_count - widest, axis=0)[like_count - widest :]
    nearest = np.sort(similarities, axis=0)[::-1]
    return np.stack([nearest[:count].mean(axis=0) for count in counts])


def soft_maximum(similarities: Float32Array) -> Float32Array:
    """(n_candidates,) mean weighted by exp(similarity / 0.1): between the mean and the nearest like."""
    weights = np.exp((similarities - similarities.max(axis=0)) / _SOFTNESS)
    out: Float32Array = np.einsum("ij,ij->j", weights, similarities) / weights.sum(axis=0)
    return out


def against_likes(similarities: Float32Array, centroid_length: float, weights: Float32Array) -> Float32Array:
    """The six usual ways in a row.

    Args:
        similarities: (n_likes, n_candidates) with at least one like.
        centroid_length: Length of the mean of the likes' unit vectors.
        weights: (n_likes,) of ``ridge_weights``.

    Returns:
        (6, n_candidates) float32: cosine to the centroid, nearest, mean of the top 3 and 10, soft maximum, ridge model.
    """
    centroid = similarities.mean(axis=0) / np.float32(max(centroid_length, 1e-6))
    nearest = nearest_means(similarities, (1, 3, 10))
    # Some BLAS kernels report rows of NaN as invalid.
    with np.errstate(invalid="ignore"):
        linear = weights @ similarities
    return np.vstack((centroid, nearest, soft_maximum(similarities), linear))


def relative(values: Float32Array, densities: Float32Array, share: float = 0.5) -> Float32Array:
    """(n,) float32: how far a candidate stands out from the others, less how crowded its neighbourhood is.

    Both are taken as standard deviations from the candidates' mean, so that figures of long and short texts, and of
    narrow and wide digests, mean the same. NaN where a value is NaN; an unknown density counts as the mean.
    """
    crowding = np.nan_to_num(_standardised(densities))
    return np.asarray(_standardised(values) - np.float32(share) * crowding, dtype=np.float32)


def _standardised(values: Float32Array) -> Float32Array:
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    spread = known.std()
    return np.asarray((values - known.mean()) / (spread if spread > 1e-9 else np.float32(1)))
