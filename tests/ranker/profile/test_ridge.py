import numpy as np

from ranker.profile.ridge import NOISE, ridge_weights
from ranker.spaces.linear import unit_rows


def test_weights_by_hand() -> None:
    """The weights equal a ridge regression computed in the space itself."""
    likes = unit_rows(np.random.default_rng(0).standard_normal((12, 7)).astype(np.float32)).astype(np.float64)
    expected = np.linalg.solve(likes.T @ likes + NOISE * np.eye(7), likes.T @ np.ones(12))
    weights = ridge_weights((likes @ likes.T).astype(np.float32), 12)
    assert weights.dtype == np.float32
    assert np.allclose(likes.T @ weights, expected, atol=1e-6)


def test_twins_share_their_weight() -> None:
    """Two identical likes share their weight: each weighs less than a like of its own kind."""
    gram = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    assert np.allclose(ridge_weights(gram, 3), [1 / 3, 1 / 3, 1 / 2])


def test_nothing_liked() -> None:
    """Without likes there are no weights."""
    assert ridge_weights(np.empty((0, 0), np.float32), 0).shape == (0,)


def test_likes_outside_the_model() -> None:
    """Likes older than those of the model weigh nothing, and change nothing."""
    gram = np.array([[1, 0.5], [0.5, 1]], np.float32)
    assert ridge_weights(gram, 5).tolist() == [0, 0, 0, *ridge_weights(gram, 2).tolist()]
