"""Counts of a bundle's rankings."""

import pytest

from service.app.ranking.ranking_times import BOUNDS, RankingTimes


def test_counts() -> None:
    """All rankings are counted, times only of single ones, and failures for all users who were ranked together."""
    times = RankingTimes()
    with times.measured(1):
        pass
    with times.measured(5):
        pass
    with pytest.raises(ZeroDivisionError), times.measured(2):
        raise ZeroDivisionError

    assert (times.answered, times.failed) == (6, 2)
    buckets = times.buckets()
    assert [bound for bound, _ in buckets] == list(BOUNDS)
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert buckets[-1][1] == 1
