import math

import numpy as np
import pytest

from tests.training.evaluation.builders import cold_round
from training.evaluation.baselines.similarity import MeanCosine, NearestLike, nearest_mean, recency_weights


def test_weights_by_hand() -> None:
    """Weights are 1 / (1 + log10(rank)), newest first; unknown times are oldest, and without times all are equal."""
    raw = np.array([1.0, 1 / (1 + math.log10(2)), 1 / (1 + math.log10(3))])
    assert recency_weights(np.array([np.nan, 9.0, 5.0])) == pytest.approx(raw[[2, 0, 1]] / raw.sum())
    assert recency_weights(np.full(4, np.nan)).tolist() == [0.25] * 4


def test_cosines() -> None:
    """Mean, maximum and mean of the nearest cosines agree with direct computation."""
    view, this = cold_round()
    query = this.queries[0]
    similarities = view.units[this.candidates] @ view.units[query.liked].T
    mean, nearest = MeanCosine().open(view, this), NearestLike().open(view, this)
    assert not isinstance(mean, str)
    assert not isinstance(nearest, str)
    assert mean(query) == pytest.approx(similarities.mean(axis=1), abs=1e-6)
    assert (nearest(query) == similarities.max(axis=1)).all()
    space = view.whitened(1.0)
    top = np.sort(space[this.candidates] @ space[query.liked].T, axis=1)[:, -3:].mean(axis=1)
    assert nearest_mean(view, this, query, 1.0, 3) == pytest.approx(top)
