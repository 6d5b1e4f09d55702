"""Times of calls in this process."""

import pytest

from benchmarks import timing
from benchmarks.timing import median_milliseconds


def test_calls_take_turns_after_one_round_for_each_user() -> None:
    """Each user has one untimed round before the timed rounds, and the calls take turns in every round."""
    made: list[tuple[str, int]] = []

    found = median_milliseconds({name: lambda user, n=name: made.append((n, user)) for name in "ab"}, users=2, rounds=3)

    assert made == [(name, user) for user in (0, 1, 0, 1, 0) for name in "ab"]
    assert found.keys() == {"a", "b"}


def test_slow_calls_have_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is up, the rounds end after the least number."""
    monkeypatch.setattr(timing, "ENOUGH_SECONDS", 0.0)
    made: list[int] = []

    median_milliseconds({"a": made.append}, users=2, rounds=100)

    assert len(made) == 2 + timing.LEAST_ROUNDS
