"""The topics of a bundle: named directions in the embedding space."""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float32Array, IndexArray


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

    def nearest(self, units: Float32Array) -> IndexArray:
        """Return the nearest topic of each paper; (n,), -1 where the vector is pending and without topics.

        Args:
            units: (n, d) float32 of unit length, rows of NaN where the vector is pending.
        """
        if not len(self):
            return np.full(len(units), -1, dtype=np.intp)
        with np.errstate(invalid="ignore"):
            cosines = units @ self.centroids.T
        return np.where(np.isnan(cosines[:, 0]), -1, cosines.argmax(axis=1))
