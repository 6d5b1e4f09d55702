from dataclasses import replace

import numpy as np

from ranker.features import SCHEMA, compute_matrix
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import plain_matrix
from testing.training import planted
from training.data.query_groups import Query
from training.data.simulation import Crowd, dislikes_of, user_context_of
from training.recipes import Simulated

DATASET = planted(dated=False)
ALWAYS = Simulated(follows_share=1, dislikes_share=1, crowd_share=1)
NEVER = Simulated(follows_share=0, dislikes_share=0, crowd_share=0)
LIKED = DATASET.likes.papers[DATASET.likes.of_user(0)]
CANDIDATES = np.setdiff1d(np.arange(300), LIKED[:8])
QUERY = Query(0, CANDIDATES, np.isin(CANDIDATES, LIKED), LIKED[:8], np.full(8, np.nan), np.nan)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_follows_favour_what_is_relevant() -> None:
    """Relevant and other candidates match follows as often as the recipe says."""
    relevant = np.arange(20_000) < 10_000
    user_context = user_context_of(replace(QUERY, candidates=np.arange(20_000), relevant=relevant), ALWAYS, rng())
    assert user_context.followed_topic is not None
    assert user_context.followed_author is not None
    assert np.allclose(
        [user_context.followed_topic[relevant].mean(), user_context.followed_topic[~relevant].mean()],
        [0.5, 0.08],
        atol=0.02,
    )
    assert np.allclose(
        [user_context.followed_author[relevant].mean(), user_context.followed_author[~relevant].mean()],
        [0.3, 0.01],
        atol=0.02,
    )


def test_nobody_follows_dislikes_or_trends() -> None:
    """With all chances at 0 nothing is simulated."""
    user_context = user_context_of(QUERY, NEVER, rng())
    assert user_context.followed_topic is None
    assert user_context.followed_author is None
    crowd = Crowd(DATASET)
    assert len(dislikes_of(QUERY, crowd, NEVER, rng())) == 0
    candidates = plain_matrix(DATASET.papers).take(CANDIDATES.tolist())
    seen, as_of = crowd.seen(QUERY, candidates, NEVER, rng())
    assert seen is candidates
    assert np.isnan(as_of)


def test_dislikes_are_never_liked() -> None:
    """One to three papers are disliked; none is liked or relevant, and some are not candidates."""
    crowd, outside = Crowd(DATASET), 0
    for seed in range(60):
        found = dislikes_of(QUERY, crowd, ALWAYS, np.random.default_rng(seed))
        assert 1 <= len(found) <= 3
        assert not np.isin(found, LIKED).any()
        outside += int((~np.isin(found, CANDIDATES)).sum())
    assert outside > 10


def test_the_crowd_is_other_users() -> None:
    """Likes of other users make a trend; a paper that only the user likes has the least heat."""
    likes = DATASET.likes
    alone = np.flatnonzero(np.bincount(likes.papers, minlength=400) == 0)[:3]
    query = replace(QUERY, candidates=np.union1d(CANDIDATES, alone))
    query = replace(query, relevant=np.isin(query.candidates, np.concatenate((LIKED, alone))))
    candidates = plain_matrix(replace(DATASET.papers, upvotes=np.full(400, np.nan))).take(query.candidates.tolist())
    seen, as_of = Crowd(DATASET).seen(query, candidates, replace(ALWAYS, crowd_reach=(1.0, 1.0)), rng())
    heat = compute_matrix(build_profile(plain_matrix(DATASET.papers).take(LIKED.tolist())), seen, as_of)
    heat = heat[:, SCHEMA.names.index("trend_heat_rank")]
    assert (heat[np.isin(query.candidates, alone)] == heat.min()).all()
    assert (heat > heat.min()).mean() > 0.5


def test_dated_data_hold_no_crowd() -> None:
    """On dated data trends stay unknown, because later likes are not known at the time of a query."""
    dated = planted(dated=True)
    candidates = plain_matrix(dated.papers).take(CANDIDATES.tolist())
    assert Crowd(dated).seen(QUERY, candidates, ALWAYS, rng())[0] is candidates
