import numpy as np
import pytest

from testing.click_log import made_up_log
from training.errors import TrainingError
from training.feedback.examination import Examination, estimate_examination


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_recovers_the_position_bias(exponent: float) -> None:
    """The planted exponent lies in the interval, and the interval is narrow."""
    found = estimate_examination(made_up_log(exponent=exponent, user_count=120))

    assert found.low <= exponent <= found.high
    assert found.high - found.low < 0.4
    assert found.reactions > 100


def test_is_not_misled_by_a_good_ranker() -> None:
    """A good ranker makes a naive estimate of the position bias too high, but not this one."""
    log = made_up_log(exponent=0.5, user_count=150, is_sorted=True)
    clicks = np.bincount(log.places[log.reacted], minlength=11)[1:11]
    naive = -np.polyfit(np.log(np.arange(1, 11)), np.log(clicks), 1)[0]
    found = estimate_examination(log)

    assert naive > 0.7
    assert found.low <= 0.5 <= found.high


def test_too_little_exploration() -> None:
    """Without reactions at explored places there is an error that says what to do."""
    with pytest.raises(TrainingError, match=r"^0 reactions .* 30 are needed: .*PAPERFEED_EXPLORATION"):
        estimate_examination(made_up_log(exponent=1.0, share=0.0, user_count=5))


def test_given() -> None:
    """A given exponent has no interval, and exponent 0 gives all places the propensity 1."""
    given = Examination.given(1.0)

    assert given.examination_propensities(np.array([1, 2, 10])).tolist() == [1.0, 0.5, 0.1]
    assert Examination.given(0.0).examination_propensities(np.array([1, 50])).tolist() == [1.0, 1.0]
    assert (given.low, given.high, given.reactions) == (1.0, 1.0, 0)
