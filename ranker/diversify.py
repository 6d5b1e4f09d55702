"""Variety in the first places of a slate: greedy maximal marginal relevance (Carbonell and Goldstein 1998)."""

from collections import Counter, deque

import numpy as np

from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray

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


def diversify(
    order: IndexArray,
    scores: Float64Array,
    units: Float32Array,
    diversity: float,
    topics: IndexArray | None = None,
) -> IndexArray:
    """The same rows, reordered.

    Each place takes the paper with the highest (1 - diversity) * score - diversity * similarity, where scores are
    scaled to 0..1 within the query and similarity is the cosine to the most similar paper placed before. A paper whose
    topic has had its share of the places before waits, unless nothing else is left. On a tie the paper that stood
    earlier in ``order`` wins.

    Args:
        order: (m,) rows, best first.
        scores: (n,) of all rows.
        units: (n, d) unit vectors; a row of NaN is unlike everything.
        diversity: 0 (nothing changes) to 1 (scores decide the first place only).
        topics: (n,) each row's main topic, -1 unknown (never waits); None where topics are not known.
    """
    if diversity <= 0 or len(order) < 3:
        return order
    pool, rest = order[:MAX_POOL], order[MAX_POOL:]
    relevance = (1 - diversity) * _scaled(scores[order])[: len(pool)]
    vectors = np.nan_to_num(units[pool])
    similarities = diversity * (vectors @ vectors.T).astype(np.float64)
    cap = _TopicCap(np.full(len(pool), -1, dtype=np.intp) if topics is None else topics[pool], topic_cap(diversity))
    cap.place(0)
    chosen = [0]
    closest = similarities[0].copy()
    free = np.zeros(len(pool))
    free[0] = -np.inf
    for _ in range(min(MAX_PLACES, len(pool)) - 1):
        gain = relevance - closest + free
        best = int(np.argmax(np.where(cap.waiting, -np.inf, gain) if cap.full else gain))
        if gain[best] == -np.inf or cap.waiting[best]:
            best = int(np.argmax(gain))
        cap.place(best)
        chosen.append(best)
        free[best] = -np.inf
        np.maximum(closest, similarities[best], out=closest)
    left = np.setdiff1d(np.arange(len(pool)), chosen)
    return np.concatenate((pool[chosen], pool[left], rest))


class _TopicCap:
    """Which papers of a pool have to wait because their topic has had its share of the last places."""

    def __init__(self, topics: IndexArray, most: int) -> None:
        self._topics = topics
        self._most = most
        self._topic_of = topics.tolist()
        self._recent: deque[int] = deque()
        self._counts: Counter[int] = Counter()
        self.full: set[int] = set()
        self.waiting: BoolArray = np.zeros(len(topics), dtype=np.bool_)

    def place(self, paper: int) -> None:
        """The paper takes the next place."""
        self._count(self._topic_of[paper], 1)
        self._recent.append(self._topic_of[paper])
        # The next place and those that are kept here make one window.
        if len(self._recent) == TOPIC_WINDOW:
            self._count(self._recent.popleft(), -1)

    def _count(self, topic: int, change: int) -> None:
        if topic < 0:
            return
        self._counts[topic] += change
        if (self._counts[topic] >= self._most) != (topic in self.full):
            self.full ^= {topic}
            self.waiting = np.isin(self._topics, list(self.full))


def _scaled(values: Float64Array) -> Float64Array:
    """To 0..1; all equal gives all 1."""
    low, high = values.min(), values.max()
    return np.ones_like(values) if high <= low else (values - low) / (high - low)
