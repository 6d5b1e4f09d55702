"""A linear model per user that is solved, not searched: kernel ridge regression on the likes alone.

The target is 1 for every like; what is not liked is the background that idf and whitening have taken out already, so no
negatives are needed. Likes that say the same share their weight (a Gaussian process with a linear kernel, Rasmussen and
Williams 2006, gives the same mean).
"""

import numpy as np

from ranker.types import Float32Array

MAX_LIKES = 400
"""The newest likes that get a weight: the time grows with their cube (4 ms for 400)."""
NOISE = 1.0
"""Variance of a like's noise, in units of a paper's own; the greater, the more alike all weights."""


def ridge_weights(grams: Float32Array, like_count: int) -> Float32Array:
    """(s, like_count) float32: a candidate's score is its cosines to the likes times these; older likes get 0.

    Args:
        grams: (s, m, m) in each of s spaces the cosines of the newest likes with one another, m at most ``MAX_LIKES``.
    """
    space_count, newest = grams.shape[:2]
    weights = np.zeros((space_count, like_count), dtype=np.float32)
    if newest:
        damped = grams.astype(np.float64)
        damped[:, np.arange(newest), np.arange(newest)] += NOISE
        weights[:, like_count - newest :] = np.linalg.solve(damped, np.ones((space_count, newest, 1)))[:, :, 0]
    return weights
