import numpy as np

from ranker.relative import crowding, relative
from ranker.types import Float32Array

NAN = np.float32("nan")


def array(*values: float) -> Float32Array:
    """A float32 array."""
    return np.array(values, dtype=np.float32)


def test_relative_by_hand() -> None:
    """The result is the standardised value minus a share of the standardised density."""
    values, densities = array(1, 2, 3, 6), array(0, 0, 0, 4)
    expected = (values - values.mean()) / values.std() - 0.5 * (densities - densities.mean()) / densities.std()
    assert np.allclose(relative(values, crowding(densities)), expected, atol=1e-6)
    assert np.allclose(relative(values, crowding(densities), share=0), (values - 3) / values.std(), atol=1e-6)


def test_relative_knows_no_scale() -> None:
    """Scaling or shifting all values does not change the result."""
    values, densities = array(0.1, 0.4, 0.2), array(0.3, 0.2, 0.6)
    assert np.allclose(
        relative(2 * values + 1, crowding(3 * densities)), relative(values, crowding(densities)), atol=1e-5
    )


def test_relative_with_unknown_parts() -> None:
    """Unknown values stay NaN and change no other; unknown densities count as the mean; equal values give 0."""
    found = relative(array(1, NAN, 3), crowding(array(1, 5, NAN)))
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[2] == 1
    assert np.isnan(relative(array(NAN, NAN), crowding(array(1, 2)))).all()
    assert relative(array(2, 2), crowding(array(NAN, NAN))).tolist() == [0, 0]


def test_rows_stand_for_themselves() -> None:
    """Several rows at once, one of them with an unknown value, give the same results as one row at a time."""
    rows = np.array([[1, 2, 3, 6], [NAN, 1, 5, 2]], dtype=np.float32)
    crowded = crowding(array(1, 4, 2, 2))
    assert np.allclose(relative(rows, crowded), [relative(row, crowded) for row in rows], equal_nan=True, atol=1e-6)
