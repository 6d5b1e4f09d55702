"""Simulates signals that no public data set has, by simple rules: follows, dislikes, and early likes of other users.

Without them the model would ignore these features, or learn a meaning by accident. The recipe (``Simulated``) sets the
chances; only real logs can tell the weight of real follows and dislikes.
"""

import numpy as np

from ranker.signals import DAY_SECONDS, PaperSignals, Signals
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import PaperMatrix
from ranker.types import BoolArray, IndexArray
from ranker.user_context import UserContext
from training.data.query_groups import Query
from training.data.snapshot import CLICKED, Dataset
from training.recipes import Simulated

_NO_ROWS = np.empty(0, dtype=np.intp)
_ASKED_AT = 1_500_000_000.0
"""The time of a query on undated data whose simulated likes need a time."""
_CROWD_DAYS = 10.0


class Crowd:
    """A data set's papers with the likes of all users and their neighbours in the embedding space."""

    def __init__(self, dataset: Dataset) -> None:
        self._likes = dataset.likes
        self._like_counts = np.bincount(dataset.likes.papers, minlength=len(dataset.papers))
        self._units = np.nan_to_num(unit_rows(dataset.papers.embeddings))
        self._is_dated = dataset.dated

    def seen(
        self, query: Query, candidates: PaperMatrix, chances: Simulated, rng: np.random.Generator
    ) -> tuple[PaperMatrix, float]:
        """Return the candidates with simulated signals of other users, and the time of the query.

        On undated data, some likes of other users are taken to have been given during the last ten days; others, drawn
        independently, become upvotes. Dated data and all other queries get no signals: in the public dated data the
        likes are authors' own papers. The user's own like never counts.
        """
        if self._is_dated or rng.random() >= chances.crowd_share:
            return candidates, query.as_of
        others = np.maximum(self._like_counts[query.candidates] - (query.labels > CLICKED), 0)
        reach = rng.uniform(*chances.crowd_reach)
        likes = rng.binomial(others, reach) if rng.random() < 0.7 else np.zeros_like(others)
        votes = rng.binomial(others, rng.uniform(*chances.crowd_reach)) * int(rng.integers(1, 30))
        has_votes = rng.random() < 0.7
        signals = [
            PaperSignals.of(
                _snapshots(int(vote), rng) if has_votes else (),
                [(_ASKED_AT - rng.random() * _CROWD_DAYS * DAY_SECONDS, "like", 0) for _ in range(int(like))],
            )
            for like, vote in zip(likes, votes, strict=True)
        ]
        return candidates.with_signals(Signals.of(signals)), _ASKED_AT

    def liked_by(self, user: int) -> IndexArray:
        """Return all papers that the user ever likes."""
        return self._likes.papers[self._likes.of_user(user)]

    def most_alike(self, papers: IndexArray, liked: IndexArray) -> IndexArray:
        """Return the third of the papers that lies nearest to the mean of the liked ones; at least one."""
        cosines = self._units[papers] @ self._units[liked].mean(axis=0)
        return papers[np.argsort(-cosines, kind="stable")[: len(papers) // 3 + 1]]

    def neighbours(self, paper: int, count: int) -> IndexArray:
        """Return the paper itself and its ``count`` nearest neighbours, nearest first."""
        cosines = self._units @ self._units[paper]
        nearest = np.argpartition(-cosines, min(count, len(cosines) - 1))[: count + 1]
        return nearest[np.argsort(-cosines[nearest], kind="stable")]


def user_context_of(query: Query, chances: Simulated, rng: np.random.Generator) -> UserContext:
    """Return a user who may follow topics and authors; relevant candidates match them more often than others."""
    topics = rng.random() < chances.follows_share
    authors = rng.random() < chances.follows_share
    return UserContext(
        followed_topic=_flags(query.relevant, chances.topic_hits, rng) if topics else None,
        followed_author=_flags(query.relevant, chances.author_hits, rng) if authors else None,
    )


def dislikes_of(query: Query, crowd: Crowd, chances: Simulated, rng: np.random.Generator) -> IndexArray:
    """Return one to three papers that the user disliked before; mostly none.

    People dislike what a feed shows them, so the papers come from the third of the irrelevant candidates that is most
    similar to the likes. Half are neighbours of such a candidate, half are such candidates. None is liked or relevant.
    """
    irrelevant = query.candidates[~query.relevant]
    if rng.random() >= chances.dislikes_share or not len(irrelevant):
        return _NO_ROWS
    irrelevant = crowd.most_alike(irrelevant, query.liked)
    taken = np.concatenate((crowd.liked_by(query.user), query.liked, query.candidates))
    found: list[int] = []
    for paper in rng.choice(irrelevant, min(int(rng.integers(1, 4)), len(irrelevant)), replace=False).tolist():
        near = crowd.neighbours(paper, 5) if rng.random() < 0.5 else _NO_ROWS
        near = near[~np.isin(near, taken)]
        found.append(int(rng.choice(near)) if len(near) else paper)
    return np.unique(np.array(found, dtype=np.intp))


def _flags(relevant: BoolArray, hits: tuple[float, float], rng: np.random.Generator) -> BoolArray:
    return np.asarray(rng.random(len(relevant)) < np.where(relevant, *hits))


def _snapshots(upvotes: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return snapshots of an early count and of the present one."""
    early = round(upvotes * rng.random())
    return [(_ASKED_AT - 3 * DAY_SECONDS, float(early)), (_ASKED_AT - rng.random() * DAY_SECONDS, float(upvotes))]
