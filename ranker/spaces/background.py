"""A sample of papers at large, against which likeness is measured.

A paper written in common words is like everything. How crowded its neighbourhood is tells how much its likeness to a
library is worth (compare cross-domain local scaling, Conneau et al. 2018).
"""

from dataclasses import dataclass

import numpy as np

from ranker.spaces.linear import multiplied_rows
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array

NEAREST_SHARE = 1 / 30
"""Of the sample's papers; fewer make the figure noisy, all of them make it blind to how the fields differ in size."""


@dataclass(frozen=True)
class Background:
    """b papers of the training data.

    Attributes:
        tfidf: (b, buckets) of unit length.
        factors: (b, k) float32 of unit length; None where there is no map.
    """

    tfidf: SparseRows
    factors: Float32Array | None

    def __len__(self) -> int:
        return len(self.tfidf)

    def word_density(self, tfidf: SparseRows) -> Float32Array:
        """(n,) mean TF-IDF cosine of each row to its nearest papers in the sample."""
        # The sample is transposed once, and so stays where it is; to do it to a lone paper takes longer than the rest.
        return _nearest_mean(tfidf.dot(self.tfidf))

    def factor_density(self, factors: Float32Array) -> Float32Array:
        """(n,) mean cosine of each row of factors to its nearest papers in the sample; NaN rows stay NaN."""
        if self.factors is None:
            return np.full(len(factors), np.nan, dtype=np.float32)
        return _nearest_mean(multiplied_rows(factors, np.ascontiguousarray(self.factors.T)))


def _nearest_mean(similarities: Float32Array) -> Float32Array:
    """(n,) mean of the greatest values of each row."""
    width = similarities.shape[1]
    count = max(1, round(width * NEAREST_SHARE))
    nearest = np.partition(similarities, width - count, axis=1)[:, width - count :]
    return np.asarray(np.sort(nearest, axis=1).mean(axis=1))
