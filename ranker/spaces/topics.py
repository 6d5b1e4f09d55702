"""The topics of a bundle: directions in the embedding space with names, and how far a paper belongs to each."""

from dataclasses import dataclass

import numpy as np

from ranker.spaces.linear import multiplied_rows
from ranker.types import Float32Array, IndexArray

NEAREST_TOPICS = 3
"""A paper belongs to its nearest few topics; the rest is noise that would make all papers alike."""
_SOFTNESS = np.float32(0.05)
# So many evenly spread papers are added to the candidates: few of them say little of what is common.
_FEW_PAPERS = np.float32(20.0)


@dataclass(frozen=True)
class Topics:
    """Topics learned in training.

    Attributes:
        centroids: (t, d) float32 of unit length; t may be 0.
        names: t names, a few words each, no two alike.
    """

    centroids: Float32Array
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def none(cls, embedding_dim: int) -> "Topics":
        """No topics at all."""
        return cls(np.empty((0, embedding_dim), dtype=np.float32), ())

    def weights(self, units: Float32Array) -> Float32Array:
        """How far each paper belongs to each topic.

        Args:
            units: (n, d) float32 of unit length, rows of NaN where the vector is pending.

        Returns:
            (n, t) float32: 0 but for the nearest ``NEAREST_TOPICS``, whose weights are a softmax of the cosines and sum
            to 1; rows of NaN as in ``units``. A row is the same bits whatever rows stand beside it.
        """
        return _softened(multiplied_rows(units, np.ascontiguousarray(self.centroids.T)))


def _softened(cosines: Float32Array) -> Float32Array:
    """Softmax over each row's greatest few values; on a tie the first topic wins."""
    count = cosines.shape[1]
    if not count:
        return cosines
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST_TOPICS]
    best = np.take_along_axis(cosines, nearest, axis=1)
    weights = np.exp((best - best[:, :1]) / _SOFTNESS)
    # Written out, because a sum along an axis may take another order for another number of rows.
    total = weights[:, 0].copy()
    for column in range(1, weights.shape[1]):
        total += weights[:, column]
    out = np.zeros_like(cosines)
    np.put_along_axis(out, nearest, weights / total[:, None], axis=1)
    out[np.isnan(cosines).any(axis=1)] = np.nan
    return out


def main_topics(weights: Float32Array) -> IndexArray:
    """(n,) each paper's strongest topic; -1 where it is unknown."""
    if not weights.shape[1]:
        return np.full(len(weights), -1, dtype=np.intp)
    known = ~np.isnan(weights[:, 0])
    return np.where(known, np.argmax(np.nan_to_num(weights), axis=1), -1)


def commonness(weights: Float32Array) -> Float32Array:
    """(t,) each topic's weight among the papers, as a multiple of an even share."""
    topic_count = np.float32(weights.shape[1])
    known = weights[~np.isnan(weights[:, 0])]
    total = known.sum(axis=0) + _FEW_PAPERS / topic_count
    return np.asarray(total / (np.float32(len(known)) + _FEW_PAPERS) * topic_count)
