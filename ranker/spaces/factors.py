"""A learned map from a paper's content to factors in which papers that one reader likes lie together.

A new paper has no likes, so its collaborative factors are predicted from its vector and its words (compare DropoutNet,
Volkovs et al. 2017). The map is linear and knows no reader, so it serves people and papers never seen in training.
"""

from dataclasses import dataclass

from ranker.spaces.linear import multiplied_rows, unit_rows
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, Int32Array


@dataclass(frozen=True)
class FactorMap:
    """Where papers lie by their content.

    Attributes:
        vector_map: (d, k) float32, for whitened vectors.
        buckets: (v,) int32, ascending: the term buckets that count.
        term_map: (v, k) float32, for their TF-IDF weights.
    """

    vector_map: Float32Array
    buckets: Int32Array
    term_map: Float32Array

    def factors(self, whitened: Float32Array, tfidf: SparseRows) -> Float32Array:
        """(n, k) float32 of unit length, NaN rows where the vector is pending; each row depends on its paper alone.

        Args:
            whitened: (n, d) float32.
            tfidf: (n, buckets)
        """
        from_words = tfidf.select(self.buckets).times(self.term_map)
        return unit_rows(multiplied_rows(whitened, self.vector_map) + from_words)
