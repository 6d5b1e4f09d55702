"""Ranking metrics of one query with binary gain."""

import numpy as np

from ranker.types import BoolArray, Float64Array, IndexArray


def best_first_hits(scores: Float64Array, relevant: BoolArray) -> BoolArray:
    """Return ``relevant`` in the order of falling scores.

    Equal scores keep their order, so callers must not sort by label.
    """
    order: IndexArray = np.argsort(-scores, kind="stable")
    return relevant[order]


def ndcg(hits: BoolArray, count: int) -> float:
    """Return the normalised discounted cumulative gain of the first ``count`` places; NaN where nothing is relevant.

    Järvelin and Kekäläinen 2002.
    """
    relevant_count = int(hits.sum())
    if not relevant_count:
        return float("nan")
    discounts = 1 / np.log2(np.arange(2, count + 2))
    gained = discounts[: len(hits)][hits[:count]].sum()
    return float(gained / discounts[: min(count, relevant_count)].sum())


def reciprocal_rank(hits: BoolArray) -> float:
    """Return 1 / place of the first relevant item; NaN where nothing is relevant."""
    return 1.0 / (int(np.argmax(hits)) + 1) if hits.any() else float("nan")


def recall(hits: BoolArray, count: int) -> float:
    """Return the share of relevant items in the first ``count`` places; NaN where nothing is relevant."""
    return float(hits[:count].sum() / hits.sum()) if hits.any() else float("nan")
