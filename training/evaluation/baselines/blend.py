"""A baseline that adds the ranks of two strong baselines, without training."""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array
from training.data.query_groups import Query
from training.evaluation.baselines.contract import Opened
from training.evaluation.baselines.linear import TfidfSvm
from training.evaluation.baselines.similarity import nearest_mean
from training.evaluation.corpus import View
from training.evaluation.protocols import Round


@dataclass(frozen=True)
class Blend:
    """The rank by a TF-IDF SVM plus the rank by the mean of the nearest likes in the whitened space."""

    svm: TfidfSvm
    damping: float = 1.0
    nearest_count: int = 10
    name: str = "blend"

    def parameters(self) -> dict[str, float | int | str]:
        """Return the parameters of both rankings."""
        return {**self.svm.parameters(), "damping": self.damping, "nearest": self.nearest_count}

    def open(self, view: View, this: Round) -> Opened:
        """Return a scorer for the round, or the reason why there is none."""
        by_words = self.svm.open(view, this)
        if isinstance(by_words, str):
            return by_words

        def score(query: Query) -> Float64Array:
            near = nearest_mean(view, this, query, self.damping, self.nearest_count)
            return -(ranks(by_words(query)) + ranks(near))

        return score


def ranks(scores: Float64Array) -> Float64Array:
    """Return (n,) ranks, 0 for the highest score; equal scores share the mean of their ranks."""
    _, inverse, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(ends - (counts + 1) / 2, dtype=np.float64)[inverse]
