"""Queries where one user alone has a history."""

from dataclasses import replace

import numpy as np

from testing.training import planted
from training.data.lone_user import find_lone_user, halves, lack_of_lone_user, lone_queries, undated
from training.data.snapshot import Likes

DATED = planted(dated=True)
OWN = DATED.likes.papers[DATED.likes.of_user(1)].tolist()
ALONE = replace(DATED, likes=Likes.of([1] * len(OWN), OWN, [np.nan] * len(OWN)))


def test_finding_the_user() -> None:
    """The only user with likes, or with many likes, is found; two users with equal histories are not."""
    with_few = replace(ALONE, likes=ALONE.likes.with_others(Likes.of([4, 5], [0, 1], [np.nan] * 2)))
    one_like = replace(ALONE, likes=ALONE.likes.where(np.array([0])))
    two_with_few = replace(ALONE, likes=Likes.of([4, 5], [0, 1], [np.nan] * 2))

    assert [find_lone_user(each) for each in (ALONE, with_few, one_like)] == [1, 1, 1]
    assert [find_lone_user(each) for each in (DATED, two_with_few, replace(DATED, likes=Likes.of([], [], [])))] == [
        None
    ] * 3
    assert "has 1 of the 10 likes" in lack_of_lone_user(one_like, 1)
    assert not lack_of_lone_user(ALONE, 1)


def test_halves_are_kept_apart() -> None:
    """Queries ask for likes of one half only, given all likes of the other; candidates are papers of that half."""
    dataset = undated(
        replace(ALONE, clicks=Likes.of([1, 1], np.setdiff1d(np.arange(400), OWN)[:2], [1.0, 2.0], [1, 1]))
    )
    folds = halves(dataset, 1, np.random.default_rng(0))
    found = {
        half: list(lone_queries(dataset, 1, folds, half, limit=20, candidate_count=40, rng=np.random.default_rng(half)))
        for half in (0, 1)
    }

    assert folds.of_paper is not None
    for half, queries in found.items():
        assert len(queries) == 20
        assert len({query.candidates.tobytes() for query in queries}) == 20
        for query in queries:
            assert (folds.of_paper[query.candidates] == half).all()
            assert (folds.of_paper[query.liked] != half).all()
            assert set(query.candidates[query.labels == 3]) <= set(OWN)
            assert set(query.liked) <= set(OWN)
            assert query.relevant.any()
            assert not query.relevant.all()
    sizes = [len(found[half][0].liked) for half in (0, 1)]
    assert sum(sizes) == len(OWN)
    assert abs(sizes[0] - sizes[1]) <= 1
