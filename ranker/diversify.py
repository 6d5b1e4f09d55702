"""Variety in the first places of a slate: greedy maximal marginal relevance (Carbonell and Goldstein 1998)."""

from collections.abc import Sequence

import numpy as np

from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray

MAX_PLACES = 50
"""Places that are chosen for variety; what follows keeps the order of scores."""
MAX_POOL = 200
"""Best-scored papers among which those places are filled; further down, variety would cost too much relevance."""
TOPIC_WINDOW = 10
MAX_IN_WINDOW = 4
"""Of any ten places in a row at most four are of one topic: half a screen. Readers of one narrow field would get worse
feeds from fewer (their papers share two or three topics), and four of one topic still leave room for three others."""


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
    pool_topics = np.full(len(pool), -1, dtype=np.intp) if topics is None else topics[pool]
    topic_of = pool_topics.tolist()
    chosen = [0]
    closest = similarities[0].copy()
    free = np.zeros(len(pool))
    free[0] = -np.inf
    for _ in range(min(MAX_PLACES, len(pool)) - 1):
        gain = relevance - closest + free
        waiting = _waiting([topic_of[place] for place in chosen[1 - TOPIC_WINDOW :]], pool_topics)
        if waiting is not None and np.isfinite(gain[~waiting]).any():
            gain[waiting] = -np.inf
        best = int(np.argmax(gain))
        chosen.append(best)
        free[best] = -np.inf
        np.maximum(closest, similarities[best], out=closest)
    left = np.setdiff1d(np.arange(len(pool)), chosen)
    return np.concatenate((pool[chosen], pool[left], rest))


def _waiting(before: Sequence[int], topics: IndexArray) -> BoolArray | None:
    """Which papers are of a topic that fills its share of the window; None where no topic does."""
    full = {topic for topic in before if topic >= 0 and before.count(topic) >= MAX_IN_WINDOW}
    return np.isin(topics, list(full)) if full else None


def _scaled(values: Float64Array) -> Float64Array:
    """To 0..1; all equal gives all 1."""
    low, high = values.min(), values.max()
    return np.ones_like(values) if high <= low else (values - low) / (high - low)
