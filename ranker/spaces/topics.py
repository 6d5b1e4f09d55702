"""The topics of a bundle: named directions in the embedding space, and the weights of papers on them."""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float32Array, IndexArray

NEAREST_TOPICS = 3
"""Number of nearest topics that get a weight. Weights on the others would be noise that makes papers alike."""
_SOFTNESS = np.float32(0.05)


@dataclass(frozen=True)
class Topics:
    """The t topics learned in training.

    Attributes:
        centroids: (t, d) float32 of unit length; t may be 0.
        names: t distinct names of a few words each.
    """

    centroids: Float32Array
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def none(cls, embedding_dim: int) -> "Topics":
        """Return no topics."""
        return cls(np.empty((0, embedding_dim), dtype=np.float32), ())

    def weights(self, units: Float32Array) -> Float32Array:
        """Return the weight of each topic for each paper.

        Args:
            units: (n, d) float32 of unit length, rows of NaN where the vector is pending.

        Returns:
            (n, t) float32. The ``NEAREST_TOPICS`` nearest topics get a softmax of their cosines, which sums to 1; all
            others get 0. Rows of NaN stay NaN.
        """
        return _softened(units @ self.centroids.T)


def _softened(cosines: Float32Array) -> Float32Array:
    """Return the softmax over the ``NEAREST_TOPICS`` greatest values of each row; on a tie the first topic wins."""
    count = cosines.shape[1]
    if not count:
        return cosines
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST_TOPICS]
    best = np.take_along_axis(cosines, nearest, axis=1)
    weights = np.exp((best - best[:, :1]) / _SOFTNESS)
    total = weights.sum(axis=1)
    out = np.zeros_like(cosines)
    np.put_along_axis(out, nearest, weights / total[:, None], axis=1)
    out[np.isnan(cosines).any(axis=1)] = np.nan
    return out


def main_topics(weights: Float32Array) -> IndexArray:
    """Return the topic with the greatest weight of each paper; (n,), -1 if unknown."""
    if not weights.shape[1]:
        return np.full(len(weights), -1, dtype=np.intp)
    known = ~np.isnan(weights[:, 0])
    return np.where(known, np.argmax(np.nan_to_num(weights), axis=1), -1)
