"""Variety in the first places of a slate: greedy maximal marginal relevance (Carbonell and Goldstein 1998)."""

import numpy as np

from ranker.spaces.spaces import PaperMatrix
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


def diversify(
    order: IndexArray, scores: Float64Array, papers: PaperMatrix, diversity: float, places: int | None = None
) -> IndexArray:
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
        places: Only so many first places matter; what stands there is the same for any number. None means all.
    """
    if diversity <= 0 or len(order) < 3:
        return order
    pool, rest = order[:MAX_POOL], order[MAX_POOL:]
    relevance = (1 - diversity) * _scaled(scores[order])[: len(pool)]
    # What each paper is still worth at most once another one is placed; nothing where it is itself placed.
    worth = relevance - diversity * papers.cosines_among(pool)
    np.fill_diagonal(worth, -np.inf)
    places = min(len(pool), MAX_PLACES if places is None else min(places, MAX_PLACES))
    chosen = _chosen(worth, papers.main_topics[pool], topic_cap(diversity), places)
    left = np.ones(len(pool), dtype=np.bool_)
    left[chosen] = False
    return np.concatenate((pool[chosen], pool[left], rest))


def _chosen(worth: Float64Array, topics: IndexArray, most: int, places: int) -> list[int]:
    """Where in the pool the papers placed stand, in order, for so many places, at least one.

    Args:
        topics: Of the pool; of any ``TOPIC_WINDOW`` places in a row at most ``most`` are of one.
    """
    gain = worth[0].copy()
    chosen = [0]
    topic_of = topics.tolist()
    counts = [0] * (max(topic_of, default=-1) + 1)
    if topic_of[0] >= 0:
        counts[topic_of[0]] = 1
    full: set[int] = set()
    waiting = np.zeros(len(topics), dtype=np.bool_)
    for place in range(1, places):
        best = int(gain.argmax())
        if full and waiting[best]:
            best = _not_waiting(gain, waiting, best)
        chosen.append(best)
        np.minimum(gain, worth[best], out=gain)
        # The next place and those that are counted make one window.
        gone = topic_of[chosen[place - TOPIC_WINDOW + 1]] if place >= TOPIC_WINDOW - 1 else -1
        new = topic_of[best]
        changed = False
        if gone >= 0 and gone != new:
            counts[gone] -= 1
            changed = counts[gone] == most - 1
        if new >= 0 and gone != new:
            counts[new] += 1
            changed |= counts[new] == most
        if changed:
            full = {topic for topic in {*full, gone, new} if topic >= 0 and counts[topic] >= most}
            waiting = np.isin(topics, list(full))
    return chosen


def _not_waiting(gain: Float64Array, waiting: BoolArray, best: int) -> int:
    """The best whose topic does not have to wait, or the best where all have to."""
    other = int(np.where(waiting, -np.inf, gain).argmax())
    return best if waiting[other] or gain[other] == -np.inf else other


def _scaled(values: Float64Array) -> Float64Array:
    """To 0..1; all equal gives all 1."""
    low, high = values.min(), values.max()
    return np.ones_like(values) if high <= low else (values - low) / (high - low)
