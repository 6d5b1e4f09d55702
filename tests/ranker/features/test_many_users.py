from dataclasses import replace

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA, Inputs, compute_features, compute_matrix
from ranker.pipeline import rank, score
from ranker.profile.profile import Profile, build_profile
from ranker.signals import PaperSignals, Signals
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from ranker.user_context import UserContext
from testing.ranker import DAY, NOW, assert_close, assert_lists_agree, columns, named, pending, spaces

SPACES = spaces()
COUNT = 77
RNG = np.random.default_rng(12)
CATEGORIES = (("cs.IR", "cs.LG"), ("cs.LG",), (), ("q-bio",))
GROUPS = [1, 2, 7, 50]


def with_categories(count: int, seed: int, prefix: str) -> PaperMatrix:
    """Random papers with categories."""
    names = tuple(CATEGORIES[number % 4] for number in range(count))
    return SPACES.matrix(replace(columns(count, seed=seed, prefix=prefix), categories=names))


def digest(*, events: bool) -> PaperMatrix:
    """Candidates of which one is pending, one has no words, and some have events of users 1 to 3."""
    papers = pending(with_categories(COUNT, 0, "p").columns, [5])
    found = SPACES.matrix(replace(papers, texts=("", *papers.texts[1:])))
    if not events:
        return found
    seen = [[(NOW - DAY * (row % 9), "like", 1 + row % 3)] * (row % 4) for row in range(COUNT)]
    return found.with_signals(Signals.of([PaperSignals.of([], each) for each in seen]))


def profile_of(number: int) -> Profile:
    """The profile of a user: with 0 to 60 likes, without vectors or words, with and without dislikes."""
    likes = with_categories((30, 0, 1, 3, 60, 2)[number % 6], 100 + number, "l")
    if number % 7 == 3:
        likes = SPACES.matrix(pending(likes.columns, list(range(len(likes)))))
    if number % 5 == 4:
        likes = SPACES.matrix(replace(likes.columns, texts=("",) * len(likes)))
    dislikes = with_categories(number % 3, 200 + number, "d") if number % 2 else None
    return build_profile(likes, dislikes, NOW - DAY * np.arange(len(likes), dtype=np.float64))


def context_of(number: int) -> UserContext:
    """The context of a user, who follows topics, authors, both or nothing."""
    topics, authors = (RNG.random(COUNT) < 0.2 for _ in range(2))
    return UserContext(topics if number % 2 else None, authors if number % 3 else None, number % 5)


PROFILES = tuple(profile_of(number) for number in range(50))
CONTEXTS = tuple(context_of(number) for number in range(50))


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("size", GROUPS)
def test_features_of_a_group_are_those_of_each(size: int, *, events: bool) -> None:
    """Users of every kind, in groups of every size, get the features that each gets alone."""
    candidates = digest(events=events)
    for start in range(0, 50, size):
        own = slice(start, start + size)
        together = compute_features(Inputs(PROFILES[own], candidates, NOW, CONTEXTS[own]))
        assert together.shape == (size if start + size <= 50 else 50 - start, COUNT, len(SCHEMA))
        assert together.flags.c_contiguous
        for found, profile, context in zip(together, PROFILES[own], CONTEXTS[own], strict=True):
            assert_close(found, compute_matrix(profile, candidates, NOW, context))


def test_each_feature_is_known_to_some_users_and_unknown_to_others() -> None:
    """The users of these tests cover every feature, and all but two features are unknown for someone."""
    found = compute_features(Inputs(PROFILES, digest(events=True), NOW, CONTEXTS))
    for name in SCHEMA.names:
        assert np.isfinite(named(found, name)).any(), name
    always = {"profile_log_likes", "trend_heat_rank"}
    assert {name for name in SCHEMA.names if np.isfinite(named(found, name)).all()} == always


def test_own_events_do_not_count_for_a_user() -> None:
    """In a group each user's rank of heat leaves out the user's own events."""
    candidates = digest(events=True)
    users = tuple(UserContext(user=number) for number in (1, 2, 0))
    ranks = named(compute_features(Inputs(PROFILES[:3], candidates, NOW, users)), "trend_heat_rank")

    own = np.array([row % 4 > 0 and row % 3 == 0 for row in range(COUNT)])
    assert (ranks[0, own] < ranks[2, own]).all()
    assert (ranks[0, ~own] >= ranks[2, ~own]).all()
    assert not np.array_equal(ranks[0], ranks[1])


@pytest.mark.parametrize("size", GROUPS)
def test_lists_of_a_group_are_those_of_each(small_bundle: Bundle, size: int) -> None:
    """One call of the model for many users gives each user the list of a call for that user alone."""
    candidates = digest(events=True)
    scored = score(small_bundle, Inputs(PROFILES[:size], candidates, NOW, CONTEXTS[:size]))
    assert len(scored) == size
    for profile, context, known in zip(PROFILES[:size], CONTEXTS[:size], scored, strict=True):
        alone = rank(small_bundle, profile, candidates, NOW, user_context=context)
        together = rank(small_bundle, profile, candidates, NOW, user_context=context, scored=known)
        assert_lists_agree(together, alone)


def test_nobody(small_bundle: Bundle) -> None:
    """Without users there are no features and no scores; without candidates there are users with empty lists."""
    assert compute_features(Inputs((), digest(events=False), NOW, ())).shape == (0, COUNT, len(SCHEMA))
    assert score(small_bundle, Inputs((), digest(events=False), NOW, ())) == []
    empty = Inputs(PROFILES[:2], SPACES.matrix(columns(0)), NOW, (UserContext(), UserContext()))
    assert [len(found.scores) for found in score(small_bundle, empty)] == [0, 0]


def test_users_without_a_bundle() -> None:
    """In plain matrices, too, a group gets the features that each user gets alone."""
    candidates = plain_matrix(digest(events=False).columns)
    profiles = tuple(build_profile(plain_matrix(columns(count, seed=count, prefix="l"))) for count in (3, 0, 9))
    together = compute_features(Inputs(profiles, candidates, NOW, (UserContext(),) * 3))
    for found, profile in zip(together, profiles, strict=True):
        assert_close(found, compute_matrix(profile, candidates, NOW))
