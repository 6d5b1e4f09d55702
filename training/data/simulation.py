"""What no public data set holds, made up by rules that are plain to see: follows, dislikes, and a crowd's early likes.

Without it the model would never look at these features, or give them a meaning by accident. The chances stand in the
recipe (``Simulated``); how much real readers' follows and dislikes say is for their own logs to tell.
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
"""The time at which a query on undated data is asked, where a crowd's likes need one."""
_CROWD_DAYS = 10.0


class Crowd:
    """A data set's papers as other readers and their neighbours in the embedding space see them."""

    def __init__(self, dataset: Dataset) -> None:
        self._likes = dataset.likes
        self._like_counts = np.bincount(dataset.likes.papers, minlength=len(dataset.papers))
        self._units = np.nan_to_num(unit_rows(dataset.papers.embeddings))
        self._is_dated = dataset.dated

    def seen(
        self, query: Query, candidates: PaperMatrix, chances: Simulated, rng: np.random.Generator
    ) -> tuple[PaperMatrix, float]:
        """The candidates with what a crowd did by the time of the query, and that time.

        Where likes have no dates, some of other readers' likes are taken to have come in during the last ten days, as
        likes here and, other ones, as upvotes elsewhere. Dated data hold no crowd (arXiv's authors like their own), so
        there and in the other queries nothing is known. Never the reader's own likes.
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
                [(_moment(rng), "like", 0) for _ in range(int(like))],
            )
            for like, vote in zip(likes, votes, strict=True)
        ]
        return candidates.with_signals(Signals.of(signals)), _ASKED_AT

    def liked_by(self, user: int) -> IndexArray:
        """All papers that the reader ever likes."""
        return self._likes.papers[self._likes.of_user(user)]

    def most_alike(self, papers: IndexArray, liked: IndexArray) -> IndexArray:
        """The third of the papers that is nearest to the mean of the liked ones; at least one."""
        cosines = self._units[papers] @ self._units[liked].mean(axis=0)
        return papers[np.argsort(-cosines, kind="stable")[: len(papers) // 3 + 1]]

    def neighbours(self, paper: int, count: int) -> IndexArray:
        """The papers nearest to one, itself first."""
        cosines = self._units @ self._units[paper]
        nearest = np.argpartition(-cosines, min(count, len(cosines) - 1))[: count + 1]
        return nearest[np.argsort(-cosines[nearest], kind="stable")]


def user_context_of(query: Query, chances: Simulated, rng: np.random.Generator) -> UserContext:
    """A reader who follows topics and authors, of which relevant candidates have more than others; or who does not."""
    topics = rng.random() < chances.follows_share
    authors = rng.random() < chances.follows_share
    return UserContext(
        followed_topic=_flags(query.relevant, chances.topic_hits, rng) if topics else None,
        followed_author=_flags(query.relevant, chances.author_hits, rng) if authors else None,
    )


def dislikes_of(query: Query, crowd: Crowd, chances: Simulated, rng: np.random.Generator) -> IndexArray:
    """One to three papers that the reader disliked before; mostly none.

    People dislike what a feed shows them, so the papers come from that third of the irrelevant candidates that looks
    most like the likes. Half are close to such a candidate (the reader has seen its like before and did not want it),
    half are such candidates themselves. None is liked or relevant.
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
    """An early count and the present one."""
    early = round(upvotes * rng.random())
    return [(_ASKED_AT - 3 * DAY_SECONDS, float(early)), (_ASKED_AT - rng.random() * DAY_SECONDS, float(upvotes))]


def _moment(rng: np.random.Generator) -> float:
    return float(_ASKED_AT - rng.random() * _CROWD_DAYS * DAY_SECONDS)
