"""Variety in the first places of a slate: greedy maximal marginal relevance (Carbonell and Goldstein 1998)."""

from collections import deque

import numpy as np

from ranker.spaces import PaperMatrix
from ranker.types import BoolArray, Float64Array, IndexArray

MAX_PLACES = 50
"""Places that are chosen for variety; what follows keeps the order of scores."""
MAX_POOL = 200
"""Best-scored papers among which those places are filled; further down, variety would cost too much relevance."""
TOPIC_WINDOW = 10
MOST_OF_ONE_TOPIC, LEAST_OF_ONE_TOPIC = 7, 3
"""Of any ten places in a row at most so many are of one topic, from the least diversity asked for to the greatest.

A fixed cap of four took papers of their own narrow field from readers who want just these: of a page of 77 papers a
reader of genomics wants six that share one topic. Seven bind only where one topic would fill the screen.
"""


def topic_cap(diversity: float) -> int:
    """How many of any ten places in a row may be of one topic: 7 up to 0.1, 6 at 0.3, 5 at 0.5, 3 at 1."""
    return round(MOST_OF_ONE_TOPIC - (MOST_OF_ONE_TOPIC - LEAST_OF_ONE_TOPIC) * diversity)


def diversify(order: IndexArray, scores: Float64Array, papers: PaperMatrix, diversity: float) -> IndexArray:
    """The same rows, reordered.

    Each place takes the paper with the highest (1 - diversity) * score - diversity * similarity, where scores are
    scaled to 0..1 within the query and similarity is the cosine to the most similar paper placed before. A paper whose
    topic has had its share of the places before waits, unless nothing else is left. On a tie the paper that stood
    earlier in ``order`` wins. A paper whose vector is pending is unlike everything; one whose topic is unknown never
    waits.

    Args:
        order: (m,) rows of ``papers``, best first.
        scores: (n,) of all rows.
        diversity: 0 (nothing changes) to 1 (scores decide the first place only).
    """
    if diversity <= 0 or len(order) < 3:
        return order
    pool, rest = order[:MAX_POOL], order[MAX_POOL:]
    relevance = (1 - diversity) * _scaled(scores[order])[: len(pool)]
    # What each paper is still worth at most once another one is placed; nothing where it is itself placed.
    worth = relevance - diversity * papers.cosines_among(pool)
    np.fill_diagonal(worth, -np.inf)
    chosen = _chosen(worth, _TopicCap(papers.main_topics[pool], topic_cap(diversity)))
    left = np.ones(len(pool), dtype=np.bool_)
    left[chosen] = False
    return np.concatenate((pool[chosen], pool[left], rest))


def _chosen(worth: Float64Array, cap: "_TopicCap") -> list[int]:
    """Places in the pool of the papers placed, in order."""
    cap.place(0)
    chosen = [0]
    gain = worth[0].copy()
    for _ in range(min(MAX_PLACES, len(worth)) - 1):
        best = int((np.where(cap.waiting, -np.inf, gain) if cap.full else gain).argmax())
        if cap.full and (gain[best] == -np.inf or cap.waiting[best]):
            best = int(gain.argmax())
        cap.place(best)
        chosen.append(best)
        np.minimum(gain, worth[best], out=gain)
    return chosen


class _TopicCap:
    """Which papers of a pool have to wait because their topic has had its share of the last places."""

    def __init__(self, topics: IndexArray, most: int) -> None:
        self._topics = topics
        self._most = most
        self._topic_of = topics.tolist()
        self._recent: deque[int] = deque()
        self._counts = [0] * (max(self._topic_of, default=-1) + 1)
        self.full: set[int] = set()
        self.waiting: BoolArray = np.zeros(len(topics), dtype=np.bool_)

    def place(self, paper: int) -> None:
        """The paper takes the next place."""
        topic = self._topic_of[paper]
        if topic >= 0:
            self._count(topic, 1)
        self._recent.append(topic)
        # The next place and those that are kept here make one window.
        if len(self._recent) == TOPIC_WINDOW:
            oldest = self._recent.popleft()
            if oldest >= 0:
                self._count(oldest, -1)

    def _count(self, topic: int, change: int) -> None:
        self._counts[topic] += change
        if (self._counts[topic] >= self._most) != (topic in self.full):
            self.full ^= {topic}
            self.waiting = np.isin(self._topics, list(self.full))


def _scaled(values: Float64Array) -> Float64Array:
    """To 0..1; all equal gives all 1."""
    low, high = values.min(), values.max()
    return np.ones_like(values) if high <= low else (values - low) / (high - low)
