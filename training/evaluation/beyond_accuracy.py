"""Measures of lists beyond hits: variety within a list and between users, and novelty of the papers."""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array, IndexArray
from training.data.snapshot import Likes
from training.evaluation.corpus import Corpus
from training.evaluation.scoring import Answers

_TOPIC_COUNT = 50
_PAPERS_PER_TOPIC = 20
_PAIRS = 2_000
_OVERLAP_TOP = 10


@dataclass(frozen=True)
class Background:
    """The facts about papers that the measures use.

    Attributes:
        topics: (n,) topic of each paper.
        units: (n, d) unit vectors.
        rarity: (n,) -log2 of the share of users who like the paper; NaN if nobody does. Counted over all likes: like
            labels, it is used after ranking only.
    """

    topics: IndexArray
    units: Float64Array
    rarity: Float64Array

    @classmethod
    def of(cls, corpus: Corpus, visible: IndexArray, likes: Likes) -> "Background":
        """Return the facts; topics are clusters of the visible papers' vectors."""
        counts = np.bincount(likes.papers, minlength=len(corpus.columns)).astype(np.float64)
        counts[counts == 0] = np.nan
        rarity = -np.log2(counts / len(np.unique(likes.users)))
        return cls(_topics(corpus, visible), corpus.units.astype(np.float64), rarity)


def beyond_accuracy(answers: Answers, background: Background) -> dict[str, dict[str, float | None]]:
    """Return system to measure to mean over queries; None where a measure is unknown.

    ``topic_coverage``: distinct topics in a list over its length. ``intra_list_diversity``: 1 - mean cosine between its
    papers. ``novelty``: mean -log2 popularity of its papers. ``overlap``: mean Jaccard index of the first ten papers of
    two users, over random pairs of queries with the same candidates.
    """
    pairs = _user_pairs(answers)
    return {system: _measures(tops, pairs, background) for system, tops in answers.tops.items()}


def _measures(tops: IndexArray, pairs: list[tuple[int, int]], background: Background) -> dict[str, float | None]:
    lists = [top[top >= 0] for top in tops]
    rarities = [background.rarity[rows][np.isfinite(background.rarity[rows])] for rows in lists]
    overlaps = [_jaccard(lists[one][:_OVERLAP_TOP], lists[other][:_OVERLAP_TOP]) for one, other in pairs]
    return {
        "topic_coverage": _mean([len(np.unique(background.topics[rows])) / len(rows) for rows in lists]),
        "intra_list_diversity": _mean([_diversity(background.units[rows]) for rows in lists if len(rows) > 1]),
        "novelty": _mean([float(found.mean()) for found in rarities if len(found)]),
        "overlap": _mean(overlaps),
    }


def _topics(corpus: Corpus, visible: IndexArray) -> IndexArray:
    """Return the (n,) cluster of each paper, by k-means on unit vectors of the visible papers."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 (two seconds to import)

    seen = corpus.units[visible]
    distinct = len(np.unique(seen, axis=0))
    count = max(1, min(_TOPIC_COUNT, len(seen) // _PAPERS_PER_TOPIC, distinct))
    fitted = KMeans(count, n_init=1, max_iter=30, random_state=0).fit(seen)
    return np.asarray(fitted.predict(corpus.units), dtype=np.intp)


def _diversity(units: Float64Array) -> float:
    """Return 1 - mean cosine over all pairs of two or more papers."""
    count = len(units)
    total = float((units.sum(axis=0) ** 2).sum()) - float((units**2).sum())
    return 1 - total / (count * (count - 1))


def _user_pairs(answers: Answers) -> list[tuple[int, int]]:
    """Return random pairs of queries of the same round; fewer than ``_PAIRS`` where rounds are small."""
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(answers.rounds)), answers.rounds))
    found = []
    for one in rng.permutation(len(order) - 1)[:_PAIRS].tolist():
        left, right = int(order[one]), int(order[one + 1])
        if answers.rounds[left] == answers.rounds[right]:
            found.append((left, right))
    return found


def _jaccard(one: IndexArray, other: IndexArray) -> float:
    shared = len(np.intersect1d(one, other))
    return shared / (len(one) + len(other) - shared)


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 6) if values else None
