"""Fits a calibration by isotonic regression of the rate of likes on the score."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from ranker.bundle.calibration import Calibration
from ranker.types import BoolArray, Float64Array

LIKES_PER_BIN = 10
"""Likes in each group of neighbouring papers whose rate of likes is one point of the function.

Isotonic regression of single papers would give the paper with the highest score probability 1 if it was liked.
"""


def fit_calibration(
    scores: Float64Array,
    liked: BoolArray,
    examined: Float64Array | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Calibration:
    """Fit a calibration on papers that users were shown; deterministic in its arguments.

    Args:
        scores: (n,) scores of the papers.
        liked: (n,) whether the user liked or saved each paper.
        examined: (n,) probability that the user read the paper's place, above 0; None means 1. The fitted probability
            is then that of a paper that is read.
        facts: See ``Calibration``.
    """
    weights = np.ones(len(scores)) if examined is None else examined
    means, rates, sizes = _binned(scores, liked, weights)
    rising = IsotonicRegression(y_min=0.0, y_max=1.0).fit(means, rates, sample_weight=sizes)
    probabilities = np.round(rising.predict(means), 6)
    return Calibration(tuple(means.tolist()), tuple(probabilities.tolist()), dict(facts or {}))


def _binned(
    scores: Float64Array, liked: BoolArray, weights: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return mean score, rate of likes and total weight of groups of neighbours with ``LIKES_PER_BIN`` likes each.

    Papers with equal scores are in one group.
    """
    order = np.argsort(scores, kind="stable")
    ordered, counted = scores[order], np.cumsum(liked[order])
    group = np.minimum((counted - liked[order]) // LIKES_PER_BIN, max(counted[-1] // LIKES_PER_BIN - 1, 0))
    is_new = np.concatenate(([True], ordered[1:] > ordered[:-1]))
    # The group of the first of several equal scores.
    _, group = np.unique(group[np.flatnonzero(is_new)[np.cumsum(is_new) - 1]], return_inverse=True)
    sizes = np.bincount(group, weights[order])
    means = np.bincount(group, weights[order] * ordered) / sizes
    rates = np.minimum(np.bincount(group, liked[order]) / sizes, 1.0)
    return np.asarray(means, dtype=np.float64), np.asarray(rates), np.asarray(sizes, dtype=np.float64)
