"""Ways to sum up how similar one candidate is to many likes; shared by the families that compare papers."""

import numpy as np

from ranker.types import Float32Array

_SOFTNESS = np.float32(0.1)


def nearest_means(similarities: Float32Array, counts: tuple[int, ...]) -> Float32Array:
    """Mean of the nearest likes, for each of ``counts``.

    Args:
        similarities: (n_candidates, n_likes) with at least one like; a row is NaN throughout or not at all.
        counts: Ascending; where there are fewer likes, all of them count.

    Returns:
        (n_candidates, len(counts)) float32.
    """
    like_count = similarities.shape[1]
    widest = min(counts[-1], like_count)
    if widest < like_count:
        similarities = np.partition(similarities, like_count - widest, axis=1)[:, like_count - widest :]
    nearest = np.sort(similarities, axis=1)[:, ::-1]
    return np.stack([nearest[:, :count].mean(axis=1) for count in counts], axis=1)


def soft_maximum(similarities: Float32Array) -> Float32Array:
    """(n_candidates,) mean weighted by exp(similarity / 0.1): between the mean and the nearest like."""
    weights = np.exp((similarities - similarities.max(axis=1, keepdims=True)) / _SOFTNESS)
    out: Float32Array = np.einsum("ij,ij->i", weights, similarities) / weights.sum(axis=1)
    return out
