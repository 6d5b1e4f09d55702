"""Likes join the group that they are most similar to; groups are split where they differ most."""

import numpy as np
import pytest

from ranker.profile.clustering import clusters_of
from ranker.profile.interests import JOIN_COSINE
from ranker.profile.joining import MAX_SPLIT, halves, nearest_groups
from ranker.spaces.linear import unit_rows
from ranker.types import Float32Array


def around(axis: int, count: int, seed: int, noise: float = 0.2) -> Float32Array:
    """Return unit rows near one of eight axes."""
    rng = np.random.default_rng(seed)
    return unit_rows((np.eye(8)[axis] + noise * rng.normal(size=(count, 8))).astype(np.float32))


def test_rows_join_their_planted_group() -> None:
    """Each row joins the group of its axis; rows of another axis join none."""
    groups = [around(0, 6, 1), around(1, 2, 2)]
    rows = np.concatenate([around(1, 4, 3), around(0, 4, 4), around(5, 4, 5)])
    assert nearest_groups(rows, groups).tolist() == [1] * 4 + [0] * 4 + [-1] * 4


def test_one_row_joins_as_in_clustering() -> None:
    """A row joins a group exactly if average linkage would join the two at the same limit."""
    rng = np.random.default_rng(7)
    for seed in range(40):
        group = around(0, 5, seed, noise=0.1)
        row = unit_rows((np.eye(8)[0] * rng.uniform(0, 1) + np.eye(8)[1] * rng.uniform(0, 1))[None].astype(np.float32))
        together = clusters_of(np.concatenate([group, row]), JOIN_COSINE).tolist() == [0] * 6
        assert (nearest_groups(row, [group]).tolist() == [0]) is together


def test_nothing_to_join() -> None:
    """Without groups, or with empty ones, rows stay alone; without rows the result is empty."""
    rows, empty = around(0, 3, 1), around(0, 0, 1)
    assert nearest_groups(rows, []).tolist() == [-1] * 3
    assert nearest_groups(rows, [empty]).tolist() == [-1] * 3
    assert nearest_groups(empty, [rows]).tolist() == []


def test_the_smaller_group_is_split_off() -> None:
    """Two planted groups are told apart, in any order of their rows."""
    rows = np.concatenate([around(0, 7, 1), around(1, 3, 2)])
    wanted = np.arange(10) >= 7
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(10)
        assert halves(rows[order]).tolist() == wanted[order].tolist()


@pytest.mark.parametrize("count", [2, 3, 8])
def test_equal_rows_are_split_too(count: int) -> None:
    """Of rows that are all alike, some stay and some go."""
    moved = halves(np.repeat(around(0, 1, 1), count, axis=0))
    assert 0 < moved.sum() < count


def test_large_groups() -> None:
    """Beyond the limit, rows go to the nearer of the two groups of the first rows."""
    rows = np.concatenate([around(0, MAX_SPLIT - 10, 1), around(1, 10, 2), around(1, 5, 3), around(0, 5, 4)])
    moved = halves(rows)
    assert moved[-10:].tolist() == [True] * 5 + [False] * 5
