import numpy as np
import pytest

from ranker.errors import InputError
from ranker.signals import DAY_SECONDS, HALF_LIFE_SECONDS, NO_SIGNALS, PaperSignals, Signals, stack_signals
from testing.ranker import NOW

ADA, BOB = 11, 22
PAPERS = [
    PaperSignals.of([(NOW - 4 * DAY_SECONDS, 10), (NOW - DAY_SECONDS, 40), (NOW + 1, 1_000)]),
    PaperSignals.of([], [(NOW - HALF_LIFE_SECONDS, "like", ADA), (NOW, "click", BOB), (NOW + 1, "like", BOB)]),
    NO_SIGNALS,
    PaperSignals.of([(NOW, 7)], [(NOW, "save", ADA), (NOW, "like", ADA)]),
]
SIGNALS = Signals.of(PAPERS)


def test_upvotes_as_of() -> None:
    """Upvotes as of a time are those of the last snapshot at or before it."""
    assert np.array_equal(SIGNALS.upvotes(NOW), [40, np.nan, np.nan, 7], equal_nan=True)
    assert np.array_equal(SIGNALS.upvotes(NOW - 2 * DAY_SECONDS), [10, np.nan, np.nan, np.nan], equal_nan=True)
    assert SIGNALS.upvotes(NOW + 1)[0] == 1_000


def test_velocity() -> None:
    """Velocity is the change per day since the first snapshot or the last one that is two days older."""
    assert SIGNALS.upvote_velocity(NOW)[0] == pytest.approx(10)
    assert np.isnan(SIGNALS.upvote_velocity(NOW)[1:]).all()


def test_heat_decays_and_sees_no_future() -> None:
    """Likes weigh 3, saves 2 and clicks 1; weights halve in three days; later events do not count."""
    assert np.allclose(SIGNALS.heat(NOW), [0, 1.5 + 1, 0, 5])
    assert np.allclose(SIGNALS.heat(NOW + HALF_LIFE_SECONDS)[3], 2.5)
    assert SIGNALS.heat(NOW - 10 * DAY_SECONDS).tolist() == [0, 0, 0, 0]


def test_own_events_do_not_count() -> None:
    """Heat without one user's events is the heat of the other users' events."""
    assert np.allclose(SIGNALS.heat(NOW, ADA), [0, 1, 0, 0])
    assert SIGNALS.heat(NOW, ADA)[3] == 0
    assert np.allclose(SIGNALS.heat(NOW, BOB), [0, 1.5, 0, 5])


def test_one_user_counts_once() -> None:
    """Many clicks of one user count once; all clicks of unknown users count; impressions never count."""
    clicks = [(NOW, "click", ADA)] * 9
    assert Signals.of([PaperSignals.of([], clicks)]).heat(NOW).tolist() == [1]
    assert Signals.of([PaperSignals.of([], [(NOW, "click", 0)] * 9)]).heat(NOW).tolist() == [9]
    assert Signals.of([PaperSignals.of([], [(NOW, "impression", BOB)])]).heat(NOW).tolist() == [0]


def test_unknown_time() -> None:
    """At an unknown time (NaN) upvotes are unknown and heat is 0."""
    assert np.isnan(SIGNALS.upvotes(np.nan)).all()
    assert (SIGNALS.heat(np.nan) == 0).all()


def test_take_and_stack() -> None:
    """Signals that are taken and joined equal signals that are built at once."""
    joined = stack_signals([SIGNALS.take([2, 0]), None, SIGNALS.take([1])], [2, 1, 1])
    expected = Signals.of([PAPERS[2], PAPERS[0], NO_SIGNALS, PAPERS[1]])
    assert joined is not None
    for name, array in vars(expected).items():
        assert np.array_equal(getattr(joined, name), array)
    assert stack_signals([None, None], [1, 2]) is None
    with pytest.raises(InputError, match="part of 3 papers has signals of 4"):
        stack_signals([SIGNALS], [3])
