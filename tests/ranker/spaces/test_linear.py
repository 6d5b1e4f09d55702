import numpy as np
import pytest

from ranker.spaces.linear import inverse_root, unit_rows


def test_unit_rows() -> None:
    """Rows are scaled to length 1; rows of zeros and rows with a value that is not finite become NaN."""
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 1]], dtype=np.float32)
    found = unit_rows(rows)

    assert found[0].tolist() == pytest.approx([0.6, 0.8])
    assert np.isnan(found[1:]).all()
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)


def test_inverse_root() -> None:
    """The root is symmetric, and turns the damped covariance into the identity."""
    vectors = np.random.default_rng(0).standard_normal((50, 6)) * np.arange(1, 7)
    covariance = np.cov(vectors.T)
    root = inverse_root(covariance, 0.5)
    damped = covariance + 0.5 * covariance.trace() / 6 * np.eye(6)

    assert np.allclose(root, root.T, atol=1e-6)
    assert np.allclose(root @ damped @ root, np.eye(6), atol=1e-4)


def test_no_variance() -> None:
    """A covariance of zeros, as of a corpus of one paper, has a finite root."""
    assert np.isfinite(inverse_root(np.zeros((3, 3)), 2.0)).all()
