"""Variety in the first places of a slate: greedy maximal marginal relevance (Carbonell and Goldstein 1998)."""

import numpy as np

from ranker.types import Float32Array, Float64Array, IndexArray

MAX_PLACES = 50
"""Places that are chosen for variety; what follows keeps the order of scores."""
MAX_POOL = 200
"""Best-scored papers among which those places are filled; further down, variety would cost too much relevance."""


def diversify(order: IndexArray, scores: Float64Array, units: Float32Array, diversity: float) -> IndexArray:
    """The same rows, reordered.

    Each place takes the paper with the highest (1 - diversity) * score - diversity * similarity, where scores are
    scaled to 0..1 within the query and similarity is the cosine to the most similar paper placed before. On a tie
    the paper that stood earlier in ``order`` wins.

    Args:
        order: (m,) rows, best first.
        scores: (n,) of all rows.
        units: (n, d) unit vectors; a row of NaN is unlike everything.
        diversity: 0 (nothing changes) to 1 (scores decide the first place only).
    """
    if diversity <= 0 or len(order) < 3:
        return order
    pool, rest = order[:MAX_POOL], order[MAX_POOL:]
    relevance = (1 - diversity) * _scaled(scores[order])[: len(pool)]
    vectors = np.nan_to_num(units[pool])
    similarities = diversity * (vectors @ vectors.T).astype(np.float64)
    chosen = [0]
    closest = similarities[0].copy()
    free = np.zeros(len(pool))
    free[0] = -np.inf
    for _ in range(min(MAX_PLACES, len(pool)) - 1):
        best = int(np.argmax(relevance - closest + free))
        chosen.append(best)
        free[best] = -np.inf
        np.maximum(closest, similarities[best], out=closest)
    left = np.setdiff1d(np.arange(len(pool)), chosen)
    return np.concatenate((pool[chosen], pool[left], rest))


def _scaled(values: Float64Array) -> Float64Array:
    """To 0..1; all equal gives all 1."""
    low, high = values.min(), values.max()
    return np.ones_like(values) if high <= low else (values - low) / (high - low)
