import numpy as np
import pytest

from ranker.relative import relative, standardised
from ranker.types import Float32Array

NAN = np.float32("nan")


def array(*values: float) -> Float32Array:
    """A float32 array."""
    return np.array(values, dtype=np.float32)


def test_standardised_by_hand() -> None:
    """Values become standard deviations from their mean; scaling or shifting all of them changes nothing."""
    values = array(1, 2, 3, 6)
    assert np.allclose(standardised(values), (values - 3) / values.std(), atol=1e-6)
    assert np.allclose(standardised(2 * values + 1), standardised(values), atol=1e-5)


def test_relative_by_hand() -> None:
    """The result is the standardised value minus a share of the crowding."""
    values, crowded = array(1, 2, 3, 6), array(0.5, -1, 0, 2)
    assert np.allclose(relative(values, crowded), standardised(values) - 0.5 * crowded, atol=1e-6)
    assert np.allclose(relative(values, crowded, share=0), standardised(values), atol=1e-6)


def test_unknown_values() -> None:
    """Unknown values stay NaN and change no other; equal values give 0."""
    found = standardised(array(1, NAN, 3))
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == [-1, 1]
    assert np.isnan(standardised(array(NAN, NAN))).all()
    assert standardised(array(2, 2)).tolist() == [0, 0]


@pytest.mark.parametrize("unknown", [False, True])
def test_rows_stand_for_themselves(*, unknown: bool) -> None:
    """Rows of any number of axes, also with unknown values, give the results of one row at a time."""
    rows = np.random.default_rng(0).standard_normal((2, 3, 9)).astype(np.float32)
    if unknown:
        rows[0, 1, 4], rows[1, 2] = NAN, NAN
    found = standardised(rows)
    for row, expected in zip(rows.reshape(-1, 9), found.reshape(-1, 9), strict=True):
        assert np.allclose(standardised(row), expected, equal_nan=True, atol=1e-6)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 5)])
def test_nothing_to_standardise(shape: tuple[int, ...]) -> None:
    """Arrays without values keep their shape."""
    assert standardised(np.empty(shape, dtype=np.float32)).shape == shape
