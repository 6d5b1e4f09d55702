"""Diversity in the first places of a slate: greedy maximal marginal relevance (Carbonell and Goldstein 1998)."""

import numpy as np

from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float64Array, IndexArray

MAX_PLACES = 50
"""Number of places that are filled for diversity. The papers after them keep the order of scores."""
MAX_POOL = 200
"""Number of best-scored papers that may fill these places. Papers with lower scores would cost too much relevance."""
TOPIC_WINDOW = 10
MOST_OF_ONE_TOPIC, LEAST_OF_ONE_TOPIC = 7, 3
"""Most papers of one topic in any ten places in a row, at the lowest and at the highest diversity.

A fixed cap of four hid papers from users who want just their own narrow field. In a digest of 77 papers, a user who
works on genomics wants six papers of one topic. A cap of seven binds only if one topic would fill the screen.
"""


def topic_cap(diversity: float) -> int:
    """Return how many of any ten places in a row may share a topic: 7 up to 0.1, 6 at 0.3, 5 at 0.5, 3 at 1."""
    return round(MOST_OF_ONE_TOPIC - (MOST_OF_ONE_TOPIC - LEAST_OF_ONE_TOPIC) * diversity)


def diversify(
    order: IndexArray,
    scores: Float64Array,
    papers: PaperMatrix,
    diversity: float,
    places: int | None = None,
    *,
    caps_topics: bool = True,
) -> IndexArray:
    """Return the rows of ``order``, reordered for diversity.

    Each place takes the paper with the highest (1 - diversity) * score - diversity * similarity. Scores are scaled to
    0..1 within the query. Similarity is the cosine to the most similar paper that already has a place. If a topic has
    reached its cap, its papers wait until the window has moved on or no other paper is left. On a tie the paper that
    comes first in ``order`` wins. A paper with a pending vector has similarity 0 to all others. A paper of unknown
    topic never waits.

    Args:
        order: (m,) rows of ``papers``, best first.
        scores: (n,) scores of all rows of ``papers``.
        diversity: 0 (no change) to 1 (scores decide the first place only).
        places: Number of first places to fill; None means ``MAX_PLACES``. The number does not change which papers they
            hold.
        caps_topics: Whether topics have caps. False tells an explanation what the caps changed.
    """
    if diversity <= 0 or len(order) < 3:
        return order
    pool, rest = order[:MAX_POOL], order[MAX_POOL:]
    relevance = (1 - diversity) * _scaled(scores[order])[: len(pool)]
    # Row i holds an upper bound of each paper's value once paper i has a place; -inf for paper i itself.
    worth = relevance - diversity * papers.cosines_among(pool)
    np.fill_diagonal(worth, -np.inf)
    places = min(len(pool), MAX_PLACES if places is None else min(places, MAX_PLACES))
    most = topic_cap(diversity) if caps_topics else TOPIC_WINDOW
    chosen = _chosen(worth, papers.main_topics[pool], most, places)
    left = np.ones(len(pool), dtype=np.bool_)
    left[chosen] = False
    return np.concatenate((pool[chosen], pool[left], rest))


def _chosen(worth: Float64Array, topics: IndexArray, most: int, places: int) -> list[int]:
    """Return the papers that fill the places, in order, as numbers in the pool.

    Args:
        worth: (pool, pool) upper bound of each paper's value (column) once another paper (row) has a place.
        topics: (pool,) topic of each paper; -1 unknown.
        most: Most papers of one topic in any ``TOPIC_WINDOW`` places in a row.
    """
    gain = worth[0].copy()
    chosen = [0]
    topic_of = topics.tolist()
    # The last count is that of papers of unknown topic, which never wait.
    counts = [0.0] * (max(topic_of) + 1) + [-np.inf]
    counts[topic_of[0]] += 1
    while len(chosen) < places:
        best = int(gain.argmax())
        if counts[topic_of[best]] >= most:
            other = int(np.where(np.array(counts)[topics] >= most, -np.inf, gain).argmax())
            # If all topics wait, the best paper gets the place.
            best = other if counts[topic_of[other]] < most and gain[other] > -np.inf else best
        chosen.append(best)
        np.minimum(gain, worth[best], out=gain)
        # The counted places and the next one form one window.
        counts[topic_of[best]] += 1
        if len(chosen) >= TOPIC_WINDOW:
            counts[topic_of[chosen[-TOPIC_WINDOW]]] -= 1
    return chosen


def _scaled(values: Float64Array) -> Float64Array:
    """Return the values scaled to 0..1; equal values give 1."""
    low, high = values.min(), values.max()
    return np.ones_like(values) if high <= low else (values - low) / (high - low)
