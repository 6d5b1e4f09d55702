"""Queries of a data set in which one user alone has a history, as on the machine of one person.

No other user can be held out, and there may be no two weeks of likes. So the papers are cut into two halves. The trees
learn from queries that ask for likes of one half, given the likes of the other. They stop by queries that ask the other
way round. Candidates are hidden likes and random papers of the catalog.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ranker.types import IndexArray
from training.data.cross_fitting import Folds
from training.data.query_groups import Query, hidden_queries
from training.data.snapshot import Dataset, Likes

LEAST_LIKES = 10
"""Number of likes from which on a user has a history."""
LEAST_OTHERS = 20
"""Least number of papers that the user does not like."""
_MOST_QUERIES = 200
_ASKED_SHARE = 0.4
"""Chance that a hidden like is among the candidates of a query, so that queries differ."""


def find_lone_user(dataset: Dataset) -> int | None:
    """Return the only user with a history, or else the only user with likes; None if there is no such user."""
    counts = np.bincount(dataset.likes.users)
    for least in (LEAST_LIKES, 1):
        users = np.flatnonzero(counts >= least)
        if len(users) == 1:
            return int(users[0])
    return None


def lack_of_lone_user(dataset: Dataset, user: int) -> str:
    """Return what is missing to train on the likes of one user; an empty text if nothing is."""
    count = len(_papers_of(dataset.likes, user))
    if count < LEAST_LIKES:
        return (
            f"the only user has {count} of the {LEAST_LIKES} likes that training needs; "
            "'paperfeed library import' adds likes"
        )
    others = len(dataset.papers) - len(_papers_of(dataset.answers, user))
    if others < LEAST_OTHERS:
        return (
            f"only one user has enough likes, and there are {others} of the {LEAST_OTHERS} papers "
            "that training needs which this user neither liked nor opened; 'paperfeed fetch' adds papers"
        )
    return ""


def undated(dataset: Dataset) -> Dataset:
    """Return the data set without the times of its reactions."""
    return dataset.with_reactions(lambda likes: replace(likes, liked_at=np.full(len(likes), np.nan)))


def halves(dataset: Dataset, user: int, rng: np.random.Generator) -> Folds:
    """Return two halves of the papers, each with half of the user's likes, of the clicks and of the other papers."""
    likes = dataset.likes
    liked, answers = _papers_of(likes, user), _papers_of(dataset.answers, user)
    of_paper = np.empty(len(dataset.papers), dtype=np.intp)
    for part in (liked, np.setdiff1d(answers, liked), np.setdiff1d(np.arange(len(of_paper)), answers)):
        of_paper[rng.permutation(part)] = np.arange(len(part)) % 2
    visible = tuple(likes.where(np.flatnonzero(of_paper[likes.papers] != half)) for half in (0, 1))
    return Folds(visible, of_paper, None)


def lone_queries(
    dataset: Dataset,
    user: int,
    folds: Folds,
    half: int,
    *,
    limit: int,
    candidate_count: int,
    rng: np.random.Generator,
) -> Iterator[Query]:
    """Yield queries of the user that ask for likes of one of the ``halves``; at most ``limit``."""
    if folds.of_paper is None:
        return
    own = dataset.with_reactions(lambda likes: likes.where(np.flatnonzero(likes.users == user)))
    for _ in range(min(limit, _MOST_QUERIES)):
        for query in hidden_queries(own, folds.of_paper, half, candidate_count, rng):
            asked = query.relevant & (rng.random(len(query.relevant)) < _ASKED_SHARE)
            asked[rng.choice(np.flatnonzero(query.relevant))] = True
            kept = asked | ~query.relevant
            grades = query.labels[kept]
            yield replace(query, candidates=query.candidates[kept], relevant=grades > 0, grades=grades)


def _papers_of(likes: Likes, user: int) -> IndexArray:
    return likes.papers[likes.of_user(user)]
