import datetime as dt
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.bundle.bundle import Bundle
from ranker.explore import (
    HEAD,
    LEAST_PAPERS,
    REACH,
    Exploration,
    explore,
    place_chances,
    read_exploration,
    seed_of,
    stay_chances,
)
from ranker.pipeline import rank, rank_new_user
from ranker.profile.profile import build_profile
from ranker.reasons.explain import RankReasonKind
from ranker.spaces.spaces import plain_matrix
from testing.ranker import NOW, assert_close, columns, spaces

PAPERS = columns(77)
CANDIDATES = spaces().matrix(PAPERS)
LIKES = spaces().matrix(columns(30, seed=1, prefix="l"))
PROFILE = build_profile(LIKES)
AS_OF = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)


def seed(number: int) -> bytes:
    """A seed made of a number."""
    return hashlib.sha256(str(number).encode()).digest()


@pytest.mark.parametrize("count", [10, 11, 60])
def test_propensities_are_the_frequencies(count: int) -> None:
    """Over many seeds, papers move to places with the frequencies that the probabilities predict."""
    share, draws = 0.7, 20_000
    counts = np.zeros((count, count))
    for number in range(draws):
        counts[explore(count, Exploration(share, seed(number))).order, np.arange(count)] += 1
    chances = place_chances(count, share)
    deviations = (counts / draws - chances) / np.sqrt(np.maximum(chances * (1 - chances), 1e-12) / draws)

    assert np.array_equal(counts > 0, (chances > 0) & (counts > 0))
    assert np.abs(deviations).max() < 5


@given(st.integers(0, 120), st.floats(0, 1), st.binary(min_size=32, max_size=32))
def test_what_is_logged_is_what_was_done(count: int, share: float, given_seed: bytes) -> None:
    """At most one pair is swapped, and the propensities alone tell which pair and which share."""
    explored = explore(count, Exploration(share, given_seed))
    chances = place_chances(count, share)

    assert sorted(explored.order.tolist()) == list(range(count))
    moved = np.flatnonzero(explored.order != np.arange(count))
    assert len(moved) in {0, 2}
    assert (moved < REACH).all()
    assert explored.place is None or (explored.place == moved[0] < HEAD)
    assert np.array_equal(chances[explored.order, np.arange(count)], explored.action_propensities)
    assert np.allclose(chances.sum(axis=0), 1)
    assert np.allclose(chances.sum(axis=1), 1)
    if share == 0 or share > 1e-6:
        logged = read_exploration(explored.action_propensities)
        assert logged is not None
        assert logged.share == pytest.approx(share if count >= LEAST_PAPERS else 0.0, abs=1e-9)
        assert np.array_equal(logged.places_before, explored.order)


def test_foreign_propensities_are_not_read() -> None:
    """Propensities that this policy never gives are not read as an exploration."""
    plain = stay_chances(20, 0.2)
    for strange in (
        np.full(20, 0.9),
        np.where(np.arange(20) == 3, 0.1, plain),
        np.where(np.arange(20) < 3, 0.1, plain),
        np.where(np.isin(np.arange(20), [12, 15]), 0.01, plain),
        np.full(5, 0.5),
        plain * 0.99,
    ):
        assert read_exploration(strange) is None


def test_the_seed_names_the_request() -> None:
    """Equal requests in any time zone have one seed; another user, digest, bundle or time gives another seed."""
    zone = dt.timezone(dt.timedelta(hours=2))
    first = seed_of("ada", "d", "b", AS_OF)

    assert first == seed_of("ada", "d", "b", AS_OF.astimezone(zone))
    others = [("bob", "d", "b", AS_OF), ("ada", "e", "b", AS_OF), ("ada", "d", "c", AS_OF)]
    others += [("ada", "d", "b", AS_OF + dt.timedelta(microseconds=1)), ("ad", "ad", "b", AS_OF)]
    assert len({first, *(seed_of(*other) for other in others)}) == 6


def test_an_explored_list(small_bundle: Bundle) -> None:
    """Two papers change places with features and scores; the one that moved up has EXPLORATION as its only reason."""
    plain = rank(small_bundle, PROFILE, CANDIDATES, NOW, limit=60)
    explored = rank(small_bundle, PROFILE, CANDIDATES, NOW, limit=60, exploration=Exploration(1.0, seed(1)))
    logged = read_exploration(explored.action_propensities)
    assert logged is not None
    order = logged.places_before

    assert (order != np.arange(60)).sum() == 2
    assert np.array_equal(explored.rows, plain.rows[order])
    assert_close(explored.scores, plain.scores[order])
    assert_close(explored.features, plain.features[order])
    (place,) = [
        place
        for place, why in enumerate(explored.reasons)
        if RankReasonKind.EXPLORATION in {reason.kind for reason in why}
    ]
    assert place == np.flatnonzero(order != np.arange(60))[0]
    assert [reason.kind for reason in explored.reasons[place]] == [RankReasonKind.EXPLORATION]
    assert plain.reasons[order[place]], "it would have others"


def test_excluded_papers_are_never_explored(small_bundle: Bundle) -> None:
    """Exploration never shows an excluded paper, whatever the seed."""
    exclude = frozenset(PAPERS.paper_ids[::3])
    shown = [
        PAPERS.paper_ids[row]
        for number in range(30)
        for row in rank(
            small_bundle, PROFILE, CANDIDATES, NOW, exclude=exclude, exploration=Exploration(1.0, seed(number))
        ).rows
    ]

    assert not exclude & set(shown)


def test_lists_without_a_model_stay(small_bundle: Bundle) -> None:
    """Cosine and trending lists are never explored, and a share of 0 turns exploration off."""
    always = Exploration(1.0, seed(1))
    cosine = rank(None, build_profile(plain_matrix(LIKES.columns)), plain_matrix(PAPERS), NOW, exploration=always)
    new = rank_new_user(CANDIDATES, NOW)
    off = rank(small_bundle, PROFILE, CANDIDATES, NOW, exploration=Exploration(0.0, seed(1)))

    for ranked in (cosine, new, off):
        assert ranked.action_propensities.tolist() == [1.0] * 77
    assert np.array_equal(off.rows, rank(small_bundle, PROFILE, CANDIDATES, NOW).rows)
