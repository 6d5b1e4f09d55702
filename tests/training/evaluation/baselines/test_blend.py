import numpy as np

from tests.training.evaluation.builders import cold_round
from training.evaluation.baselines.blend import Blend, ranks
from training.evaluation.baselines.linear import TfidfSvm
from training.evaluation.baselines.similarity import nearest_mean


def test_ranks() -> None:
    """The best has rank 0, and equal scores share the mean of their ranks."""
    assert ranks(np.array([1.0, 5.0, 3.0, 3.0])).tolist() == [3.0, 0.0, 1.5, 1.5]


def test_sum_of_ranks() -> None:
    """The blend scores by the sum of both ranks."""
    view, this = cold_round()
    svm = TfidfSvm()
    by_words, blend = svm.open(view, this), Blend(svm).open(view, this)
    assert not isinstance(by_words, str)
    assert not isinstance(blend, str)
    query = this.queries[3]
    near = nearest_mean(view, this, query, Blend(svm).damping, Blend(svm).nearest_count)
    assert (blend(query) == -(ranks(by_words(query)) + ranks(near))).all()
