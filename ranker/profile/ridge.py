"""A linear model for each user: kernel ridge regression on the likes alone, solved in closed form.

The target is 1 for every like. No negatives are needed, because idf and whitening have already removed the background
of papers at large. Likes that resemble one another share their weight. A Gaussian process with a linear kernel gives
the same mean (Rasmussen and Williams 2006).
"""

import numpy as np

from ranker.types import Float32Array

MAX_LIKES = 400
"""Number of newest likes that get a weight. The time grows with its cube: 4 ms for 400 likes."""
NOISE = 1.0
"""Variance of the noise of a like, relative to the variance of a paper. More noise makes the weights more equal."""


def ridge_weights(grams: Float32Array) -> Float32Array:
    """Return the weight of each like in each space; (s, m) float32.

    The model's score of a candidate is the sum of its cosines to the likes, each times the weight of the like.

    Args:
        grams: (s, m, m) cosines of the likes with one another in each of s spaces.
    """
    damped = grams + np.eye(grams.shape[1], dtype=np.float32) * np.float32(NOISE)
    ones = np.ones((*damped.shape[:2], 1), dtype=np.float32)
    return np.asarray(np.linalg.solve(damped, ones)[:, :, 0], dtype=np.float32)
