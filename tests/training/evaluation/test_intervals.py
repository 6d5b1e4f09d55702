import numpy as np
import pytest

from training.evaluation.intervals import Bootstrap


def test_covers_the_truth() -> None:
    """About 95 of 100 intervals contain the true mean."""
    rng = np.random.default_rng(0)
    users, inside = np.arange(60), 0
    for _ in range(200):
        bootstrap = Bootstrap(users, np.zeros(60, dtype=np.intp), samples=300)
        found = bootstrap.interval(bootstrap.estimates(rng.normal(1.0, 2.0, 60)))
        inside += found.low <= 1.0 <= found.high
    assert 0.88 <= inside / 200 <= 0.99


def test_users_stay_together() -> None:
    """Ten equal queries of one user do not narrow the interval; ten users would."""
    values = np.repeat(np.random.default_rng(1).normal(size=30), 10)
    together, apart = np.repeat(np.arange(30), 10), np.arange(300)
    widths = []
    for users in (together, apart):
        bootstrap = Bootstrap(users, np.zeros(300, dtype=np.intp))
        found = bootstrap.interval(bootstrap.estimates(values))
        widths.append(found.high - found.low)
    assert widths[0] > 2.5 * widths[1]


def test_groups_weigh_the_same() -> None:
    """The mean is taken within each group, then over groups, whatever their sizes."""
    users, groups = np.array([0, 1, 2, 0]), np.array([0, 0, 0, 1])
    bootstrap = Bootstrap(users, groups)
    assert bootstrap.estimates(np.array([0.0, 0.0, 3.0, 9.0]))[0] == 5.0
    assert np.isfinite(bootstrap.estimates(np.ones(4))).all()


def test_pairing() -> None:
    """A small but constant difference is certain, however much both systems vary."""
    base = np.random.default_rng(2).normal(size=100)
    bootstrap = Bootstrap(np.arange(100), np.zeros(100, dtype=np.intp))
    found = bootstrap.interval(bootstrap.estimates(base + 0.01) - bootstrap.estimates(base))
    assert found.above_zero
    assert found.mean == pytest.approx(0.01)


def test_one_user() -> None:
    """With one user the ends are unknown, and null in JSON."""
    bootstrap = Bootstrap(np.zeros(3, dtype=np.intp), np.zeros(3, dtype=np.intp))
    found = bootstrap.interval(bootstrap.estimates(np.ones(3)))
    assert found.as_dict() == {"mean": 1.0, "low": None, "high": None}
    assert not found.above_zero
