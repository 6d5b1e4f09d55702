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


def ridge_weights(gram: Float32Array, like_count: int) -> Float32Array:
    """Return the weight of each like; (like_count,) float32, 0 for likes older than the newest m.

    The model's score of a candidate is the sum of its cosines to the likes, each times the weight of the like.

    Args:
        gram: (m, m) cosines of the newest m likes with one another, m at most ``MAX_LIKES``.
    """
    weights = np.zeros(like_count, dtype=np.float32)
    if len(gram):
        damped = gram + np.eye(len(gram), dtype=np.float32) * np.float32(NOISE)
        weights[like_count - len(gram) :] = np.linalg.solve(damped, np.ones(len(gram), dtype=np.float32))
    return weights
