"""The background: a sample of papers that shows how crowded the neighbourhood of a paper is.

A paper written in common words is similar to everything. So the more crowded its neighbourhood, the less its similarity
to a library says (compare cross-domain local scaling, Conneau et al. 2018).
"""

from dataclasses import dataclass

import numpy as np

from ranker.spaces.linear import product
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array

NEAREST_SHARE = 1 / 30
"""Share of the sample that counts as near. A smaller share makes densities noisy; a larger one hides differences."""


@dataclass(frozen=True)
class Background:
    """A sample of b papers of the training data.

    Attributes:
        tfidf: (b, buckets) TF-IDF rows of unit length.
        factors: (b, k) float32 co-like factors of unit length; None without a factor map.
    """

    tfidf: SparseRows
    factors: Float32Array | None

    def __len__(self) -> int:
        return len(self.tfidf)

    def word_density(self, tfidf: SparseRows) -> Float32Array:
        """Return the mean TF-IDF cosine of each row to its nearest papers in the sample; (n,)."""
        # ``dot`` caches the transpose of its argument: the sample, which stays the same.
        return _nearest_mean(tfidf.dot(self.tfidf))

    def factor_density(self, factors: Float32Array) -> Float32Array:
        """Return the mean cosine of each row of factors to its nearest papers in the sample; (n,), NaN for NaN rows."""
        if self.factors is None:
            return np.full(len(factors), np.nan, dtype=np.float32)
        return _nearest_mean(product(factors, np.ascontiguousarray(self.factors.T)))


def _nearest_mean(similarities: Float32Array) -> Float32Array:
    """Return the mean of the greatest values of each row; (n,)."""
    width = similarities.shape[1]
    count = max(1, round(width * NEAREST_SHARE))
    return np.asarray(np.partition(similarities, width - count, axis=1)[:, width - count :].mean(axis=1))
