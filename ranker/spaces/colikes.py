"""User factors: a space in which papers lie together if the same users of the training data like them.

The words of the papers do not matter. A paper that is not in the training data gets the weighted mean of the known
papers nearest to it in content.
"""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np

from ranker.spaces.linear import product, unit_rows
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, IndexArray, UInt64Array

NEIGHBOURS = 50
_POWER = 4
_CHUNK = 512
_MAX_REMEMBERED = 8_192


def text_keys(texts: Sequence[str]) -> UInt64Array:
    """Return a 64-bit hash of each text, by which a bundle recognises papers; (n,)."""
    digests = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


@dataclass(frozen=True)
class CoLikes:
    """The factors of the a papers of the training data that have likes.

    Attributes:
        keys: (a,) uint64, ascending; see ``text_keys``.
        factors: (a, k) float32 co-like factors of unit length, which follow from the content of the papers.
        users: (a, m) float32 user factors of unit length, which follow from the users who like the papers.
    """

    keys: UInt64Array
    factors: Float32Array
    users: Float32Array
    # User factors of new papers by the bytes of their co-like factors. Predicting one takes two milliseconds, and a
    # profile is rebuilt at each new like.
    _remembered: dict[bytes, Float32Array] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.keys)

    def placed(self, texts: Sequence[str], factors: Float32Array) -> Float32Array:
        """Return the user factors of papers; (n, m) float32 of unit length, NaN rows as in ``factors``.

        Args:
            factors: (n, k) co-like factors of the papers.
        """
        out = np.full((len(factors), self.users.shape[1]), np.nan, dtype=np.float32)
        places = self._places(text_keys(texts))
        known = np.isfinite(factors[:, 0]) & (places >= 0)
        out[known] = self.users[places[known]]
        unknown = np.flatnonzero(np.isfinite(factors[:, 0]) & (places < 0))
        names = [factors[row].tobytes() for row in unknown.tolist()]
        with self._lock:
            found = [self._remembered.get(name) for name in names]
        new = [i for i, vector in enumerate(found) if vector is None]
        placed = self._predicted(factors[unknown[new]])
        for i, vector in zip(new, placed, strict=True):
            found[i] = vector
        if found:
            out[unknown] = np.stack([vector for vector in found if vector is not None])
        self._remember({names[i]: vector for i, vector in zip(new, placed, strict=True)})
        return out

    def _remember(self, vectors: dict[bytes, Float32Array]) -> None:
        """Store predicted user factors; beyond ``_MAX_REMEMBERED`` the oldest are dropped."""
        newest = list(vectors.items())[-_MAX_REMEMBERED:]
        with self._lock:
            excess = len(self._remembered) + len(newest) - _MAX_REMEMBERED
            for name in list(islice(self._remembered, max(excess, 0))):
                del self._remembered[name]
            self._remembered.update({name: vector.copy() for name, vector in newest})

    @cached_property
    def _content(self) -> Float32Array:
        """(k, a) the co-like factors transposed; kept, because the copy takes longer than the product."""
        return np.ascontiguousarray(self.factors.T)

    def _places(self, keys: UInt64Array) -> IndexArray:
        """Return the row of each key; (n,), -1 for unknown keys."""
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1)

    def _predicted(self, factors: Float32Array) -> Float32Array:
        """Return the weighted mean of the user factors of the known papers nearest to each row; (n, m)."""
        parts = [
            self._mean_of_nearest(product(factors[start : start + _CHUNK], self._content))
            for start in range(0, len(factors), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.users.shape[1]), dtype=np.float32)

    def _mean_of_nearest(self, similarities: Float32Array) -> Float32Array:
        count = min(NEIGHBOURS, len(self))
        nearest = np.sort(np.argpartition(-similarities, count - 1, axis=1)[:, :count], axis=1)
        weights = np.maximum(np.take_along_axis(similarities, nearest, axis=1), 1e-6) ** _POWER
        starts = np.arange(0, len(nearest) * count + 1, count, dtype=np.int32)
        rows = SparseRows(starts, nearest.ravel().astype(np.int32), weights.ravel(), len(self))
        return unit_rows(rows.times(self.users))
