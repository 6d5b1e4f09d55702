"""Baselines that compare a candidate's vector with the vectors of the likes."""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array
from training.data.query_groups import Query
from training.evaluation.baselines.contract import Opened
from training.evaluation.corpus import View
from training.evaluation.protocols import Round


@dataclass(frozen=True)
class MeanCosine:
    """zotero-arxiv-daily: the mean cosine to the likes; newer likes weigh more, and likes without dates equally."""

    name: str = "mean-cosine"

    def parameters(self) -> dict[str, float | int | str]:
        """Return no parameters; the method is used as published."""
        return {}

    def open(self, view: View, this: Round) -> Opened:
        """Return a scorer for the round."""
        candidates = view.units[view.local(this.candidates)]

        def score(query: Query) -> Float64Array:
            similarities = candidates @ view.units[view.local(query.liked)].T
            return np.asarray(similarities @ recency_weights(query.liked_at), dtype=np.float64)

        return score


@dataclass(frozen=True)
class NearestLike:
    """The cosine to the nearest like."""

    name: str = "nearest-like"

    def parameters(self) -> dict[str, float | int | str]:
        """Return no parameters."""
        return {}

    def open(self, view: View, this: Round) -> Opened:
        """Return a scorer for the round."""
        candidates = view.units[view.local(this.candidates)]

        def score(query: Query) -> Float64Array:
            similarities = candidates @ view.units[view.local(query.liked)].T
            return np.asarray(similarities.max(axis=1), dtype=np.float64)

        return score


def recency_weights(liked_at: Float64Array) -> Float64Array:
    """Return (n_likes,) weights 1 / (1 + log10(rank)) with rank 1 for the newest like, scaled to sum 1.

    Unknown times count as oldest; all equal where no time is known.
    """
    if np.isnan(liked_at).all():
        return np.full(len(liked_at), 1 / len(liked_at))
    newest_first = np.argsort(-np.nan_to_num(liked_at, nan=-np.inf), kind="stable")
    weights = np.empty(len(liked_at))
    weights[newest_first] = 1 / (1 + np.log10(np.arange(1, len(liked_at) + 1)))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def nearest_mean(view: View, this: Round, query: Query, damping: float, count: int) -> Float64Array:
    """Return (n_candidates,) mean cosines of the ``count`` nearest likes in the whitened space."""
    space = view.whitened(damping)
    similarities = space[view.local(this.candidates)] @ space[view.local(query.liked)].T
    kept = min(count, similarities.shape[1])
    nearest = np.partition(similarities, similarities.shape[1] - kept, axis=1)[:, similarities.shape[1] - kept :]
    # Sorted, so that the sum does not depend on the order in which partition leaves them.
    return np.asarray(np.sort(nearest, axis=1).mean(axis=1), dtype=np.float64)
