"""A learned linear map from the content of a paper to co-like factors.

Papers that the same users like lie together by these factors. A new paper has no likes, so its factors are predicted
from its vector and its words (compare DropoutNet, Volkovs et al. 2017). The map holds no users, so it works for users
and papers never seen in training.
"""

from dataclasses import dataclass

from ranker.spaces.linear import unit_rows
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, Int32Array


@dataclass(frozen=True)
class FactorMap:
    """A linear map from unit vectors and TF-IDF weights to co-like factors.

    Attributes:
        offset: (k,) float32, added to the result.
        vector_map: (d, k) float32 map of unit vectors.
        buckets: (v,) int32 term buckets that the map uses, ascending.
        term_map: (v, k) float32 map of the TF-IDF weights of these buckets.
    """

    offset: Float32Array
    vector_map: Float32Array
    buckets: Int32Array
    term_map: Float32Array

    def factors(self, units: Float32Array, tfidf: SparseRows) -> Float32Array:
        """Return the factors of papers; (n, k) float32 of unit length, NaN rows where the vector is pending."""
        from_words = tfidf.select(self.buckets).times(self.term_map)
        return unit_rows(self.offset + units @ self.vector_map + from_words)
