import numpy as np
import pytest

from training.calibration.measure import calibration_error, first_places, length_at, reliability


def test_exact_probabilities_have_no_error() -> None:
    """Bins whose observed share equals the mean probability have an error of 0."""
    probabilities = np.repeat([0.1, 0.5], 150)
    liked = np.concatenate((np.arange(150) % 10 == 0, np.arange(150) % 2 == 0))

    assert calibration_error(reliability(probabilities, liked)) == pytest.approx(0, abs=0.02)
    assert calibration_error(reliability(probabilities + 0.3, liked)) == pytest.approx(0.3, abs=0.02)


def test_error_weighs_bins_by_papers() -> None:
    """The error is the mean distance over papers."""
    bins = reliability(np.array([0.2] * 15 + [0.6] * 15), np.array([False] * 15 + [True] * 15))

    assert calibration_error(bins) == pytest.approx((0.2 + 0.4) / 2, abs=0.02)


def test_first_places_of_each_digest() -> None:
    """The highest scores of each digest are its first places, however its papers are ordered."""
    found = first_places(np.array([1.0, 3.0, 2.0, 5.0, 9.0]), np.array([3, 2], dtype=np.int32), 2)

    assert found.tolist() == [False, True, True, True, True]


def test_length_of_cut_lists() -> None:
    """Of two digests the first keeps two papers, one of them liked; the second is empty and hides a like."""
    found = length_at(
        0.1,
        np.array([0.3, 0.1, 0.02, 0.05]),
        np.array([True, False, False, True]),
        np.array([3, 1], dtype=np.int32),
    )

    assert (found.papers, found.empty, found.precision, found.recall) == (1.0, 0.5, 0.5, 0.5)
