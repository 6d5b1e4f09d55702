from dataclasses import replace

import numpy as np
import pytest

from ranker.features import SCHEMA, compute_matrix
from ranker.profile.profile import build_profile
from ranker.signals import NO_SIGNALS, PaperSignals, Signals
from ranker.spaces.spaces import PaperMatrix
from ranker.trending import hotness, ranks_among, trends
from ranker.user_context import UserContext
from testing.ranker import DAY, NOW, assert_close, columns, spaces

PAPERS = columns(12)
BARE = spaces().matrix(replace(PAPERS, upvotes=np.full(12, np.nan)))
ADA = 5


def with_events(*rows: int, user: int = 0) -> PaperMatrix:
    """The papers; those at ``rows`` were liked a day ago."""
    signals = [PaperSignals.of([], [(NOW - DAY, "like", user)]) if i in rows else NO_SIGNALS for i in range(12)]
    return BARE.with_signals(Signals.of(signals))


def column(matrix: PaperMatrix, name: str, user_context: UserContext | None = None, as_of: float = NOW) -> np.ndarray:
    """One feature of all candidates."""
    features = compute_matrix(build_profile(BARE.take([0])), matrix, as_of, user_context or UserContext())
    return features[:, SCHEMA.names.index(name)]


def test_nothing_known_is_unknown() -> None:
    """Without signals, or with only the user's own, all trend features are NaN."""
    features = compute_matrix(build_profile(BARE.take([0])), BARE, NOW)
    assert np.isnan(features[:, SCHEMA.columns_of("trend")]).all()
    assert np.isnan(column(with_events(3, user=ADA), "trend_heat_rank", UserContext(user=ADA))).all()


def test_one_event_makes_the_others_cold() -> None:
    """If one candidate has heat, the others share the last rank rather than none, and the hot one ranks first."""
    rank = column(with_events(3), "trend_heat_rank")
    assert np.isfinite(rank).all()
    assert np.flatnonzero(rank > rank.min()).tolist() == [3]


def test_planted_future_changes_nothing() -> None:
    """Snapshots and events after ``as_of`` change no feature."""
    now = with_events(3, 4)
    signals = now.columns.signals
    assert signals is not None
    future = [
        PaperSignals.of([(NOW + 1, 9_999)], [(NOW - DAY, "like", 0)] * int(row in {3, 4}) + [(NOW + 1, "like", 0)] * 50)
        for row in range(12)
    ]
    later = BARE.with_signals(Signals.of(future))
    profile = build_profile(BARE.take([0]))
    assert_close(compute_matrix(profile, later, NOW), compute_matrix(profile, now, NOW))
    after, before = (compute_matrix(profile, papers, NOW + 2) for papers in (later, now))
    assert not np.allclose(after, before, equal_nan=True)


def test_signals_keep_what_was_computed() -> None:
    """Papers with newer signals keep the values computed from texts and vectors."""
    crowding, terms = BARE.word_crowding, BARE.terms
    assert with_events(1).word_crowding is crowding
    assert with_events(1).terms is terms


def test_counts_without_time_stand_only_alone() -> None:
    """A count of unknown time is used unless the paper has snapshots, even if all snapshots are later."""
    matrix = spaces().matrix(PAPERS)
    signals = Signals.of([PaperSignals.of([(NOW + 1, 5)])] + [NO_SIGNALS] * 11)
    found = trends(matrix.with_signals(signals), NOW).upvotes
    assert np.isnan(found[0])
    assert np.array_equal(found[1:], PAPERS.upvotes[1:], equal_nan=True)


def test_hotness_is_finite() -> None:
    """Hotness is finite for every candidate, and greatest for the one with events."""
    assert np.isfinite(hotness(with_events(2), NOW)).all()
    assert hotness(with_events(2), NOW).argmax() == 2


def test_ranks() -> None:
    """A rank is the share of known values below, ties counting half; unknown values are left out."""
    assert ranks_among(np.array([5.0, 1.0, np.nan, 5.0, 0.0])).tolist()[:2] == [0.75, 0.375]
    assert np.isnan(ranks_among(np.array([5.0, np.nan]))[1])
    assert ranks_among(np.empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("upvotes", "trending"),
    [
        ([np.nan, np.nan], []),
        ([np.nan, 50], []),
        ([0, 0, 0], []),
        ([3, 3, 3], []),
        ([10, 11, 12, 13, 15], []),
        ([0, 0, 0, 2], [3]),
        ([5, 50], [1]),
        ([10, 11, 12, 13, 40, np.nan], [4]),
    ],
)
def test_only_what_is_well_above_the_usual_trends(upvotes: list[float], trending: list[int]) -> None:
    """A candidate is trending if it has twice the median upvotes of those that are known."""
    papers = spaces().matrix(replace(columns(len(upvotes)), upvotes=np.array(upvotes, dtype=np.float64)))
    assert np.flatnonzero(trends(papers, NOW).is_trending).tolist() == trending
