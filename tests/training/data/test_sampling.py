"""Samples of papers."""

import numpy as np

from testing.training import planted
from training.data.sampling import sample_papers

LARGE = planted(dated=True, paper_count=2_000, user_count=200)


def test_half_of_a_sample_is_liked() -> None:
    """A sample has the size asked for, several users with many likes, and other papers; the seed decides it."""
    rows = sample_papers(LARGE, 400, seed=1)
    likes = np.bincount(LARGE.likes.users[np.isin(LARGE.likes.papers, rows)])

    assert len(rows) == len(np.unique(rows)) == 400
    assert (np.diff(rows) > 0).all()
    assert (likes >= 10).sum() >= 10
    assert np.isin(rows, LARGE.likes.papers).mean() < 0.95
    assert np.array_equal(rows, sample_papers(LARGE, 400, seed=1))
    assert not np.array_equal(rows, sample_papers(LARGE, 400, seed=2))


def test_a_small_catalog_is_taken_whole() -> None:
    """No more papers are drawn than there are."""
    assert sample_papers(LARGE, 5_000, seed=1).tolist() == list(range(2_000))
