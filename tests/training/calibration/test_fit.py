import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibration.fit import fit_calibration


def test_known_probabilities_are_found() -> None:
    """On papers that are liked with a known probability, the calibration is close to it."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=200_000)
    truth = 1 / (1 + np.exp(4 - 2 * scores))

    found = fit_calibration(scores, rng.random(len(scores)) < truth).probabilities_of(scores)

    assert np.abs(found - truth).mean() < 0.01


def test_examination_is_corrected() -> None:
    """Likes that a low place hides are made up for: the probability is that of a paper that is read."""
    rng = np.random.default_rng(1)
    scores, examined = rng.normal(size=100_000), rng.choice([1.0, 0.25], 100_000)
    truth = 1 / (1 + np.exp(3 - scores))

    found = fit_calibration(scores, rng.random(len(scores)) < truth * examined, examined).probabilities_of(scores)

    assert np.abs(found - truth).mean() < 0.01


def test_best_paper_is_not_certain_because_it_was_liked() -> None:
    """The highest score has the rate of its neighbours, not probability 1."""
    scores = np.arange(10_000.0)
    liked = scores % 100 == 99

    assert fit_calibration(scores, liked).probabilities[-1] < 0.02


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 400), places=st.integers(0, 3))
def test_function_rises_whatever_the_data(seed: int, count: int, places: int) -> None:
    """Scores ascend, probabilities never fall and stay within 0 to 1, also with equal scores and without likes."""
    rng = np.random.default_rng(seed)
    scores, liked = np.round(rng.normal(size=count), places), rng.random(count) < rng.random()

    found = fit_calibration(scores, liked, rng.uniform(0.1, 1, count))

    assert (np.diff(found.scores) > 0).all()
    assert (np.diff(found.probabilities) >= 0).all()
    assert 0 <= found.probabilities[0] <= found.probabilities[-1] <= 1
