"""Likes to interests: the few directions that a reader's liked papers point in, each with its weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.profile.clustering import clusters_of
from ranker.spaces.linear import multiplied_rows, unit_rows
from ranker.types import Float32Array, Float64Array, IndexArray

MAX_INTERESTS = 8
MAX_CLUSTERED_LIKES = 500
"""The newest likes that are clustered: the time grows with their square (half a millisecond for 30, 7 for 500)."""
JOIN_COSINE = 0.35
"""Groups are joined while their papers have at least this cosine on average (MiniLM: papers of one field)."""
HALF_LIFE_SECONDS = 180 * 86_400.0


@dataclass(frozen=True)
class Interests:
    """k interests of one reader, heaviest first; k is 0 without liked vectors, else 1 to ``MAX_INTERESTS``.

    Attributes:
        centroids: (k, d) float32 of unit length.
        weights: (k,) float32 that sum to 1: each interest's likes, where one counts half for every 180 days that it is
            older than the newest.
        members: For each interest the rows of its likes as given to ``build_profile``, ascending. Likes without a
            vector, those beyond the newest ``MAX_CLUSTERED_LIKES`` and those of lesser interests are in none.
    """

    centroids: Float32Array
    weights: Float32Array
    members: tuple[IndexArray, ...]

    def __len__(self) -> int:
        return len(self.members)

    def nearest(self, units: Float32Array) -> tuple[IndexArray, Float32Array]:
        """Each paper's nearest interest and the cosine to it.

        Args:
            units: (n, d) float32 of unit length, NaN rows where the vector is pending.

        Returns:
            (n,) numbers of interests, -1 where the vector is pending or there is no interest; (n,) cosines, NaN there.
        """
        if not len(self):
            return np.full(len(units), -1, dtype=np.intp), np.full(len(units), np.nan, dtype=np.float32)
        # Never another shape for another number of interests or papers: equal likes and papers give equal bits.
        cosines = multiplied_rows(units, np.ascontiguousarray(_padded(self.centroids).T))[:, : len(self)]
        best = np.argmax(cosines, axis=1)
        found = cosines[np.arange(len(units)), best]
        return np.where(np.isnan(found), -1, best), found


class LikedVectors(NamedTuple):
    """What interests are found in.

    Attributes:
        units: (m, d) float32, vectors of liked papers.
        rows: (m,) their rows as given to ``build_profile``.
        liked_at: (m,) Unix seconds; NaN unknown, which counts as long ago as the oldest known time.
    """

    units: Float32Array
    rows: IndexArray
    liked_at: Float64Array


def find_interests(users: Sequence[LikedVectors]) -> list[Interests]:
    """The interests of each reader; many together take a fraction of the time, and get the same bits, as one by one."""
    newest = [_newest(liked.liked_at) for liked in users]
    clustered = [
        (liked.units[rows], liked.rows[rows], liked.liked_at[rows]) for liked, rows in zip(users, newest, strict=True)
    ]
    labels = clusters_of([units for units, _, _ in clustered], JOIN_COSINE)
    return [_interests(*liked, own) for liked, own in zip(clustered, labels, strict=True)]


def _interests(units: Float32Array, rows: IndexArray, liked_at: Float64Array, labels: IndexArray) -> Interests:
    """Out of likes that are grouped."""
    if not len(units):
        return Interests(np.empty((0, units.shape[1]), dtype=np.float32), np.empty(0, dtype=np.float32), ())
    worth = np.exp2(-_ages(liked_at) / HALF_LIFE_SECONDS)
    weights = np.bincount(labels, worth, len(labels))
    first = np.unique(labels)
    # Of equal weights the interest with the earliest like comes first.
    heavy = first[np.argsort(-weights[first], kind="stable")][:MAX_INTERESTS]
    members = [np.flatnonzero(labels == label) for label in heavy.tolist()]
    shares = weights[heavy] / weights[heavy].sum()
    return Interests(
        centroids=unit_rows(np.stack([np.add.reduce(units[own], axis=0) for own in members])),
        weights=shares.astype(np.float32),
        members=tuple(rows[own] for own in members),
    )


def _newest(liked_at: Float64Array) -> IndexArray:
    """The likes that are clustered, in their order."""
    if len(liked_at) <= MAX_CLUSTERED_LIKES:
        return np.arange(len(liked_at))
    oldest_first = np.argsort(np.where(np.isnan(liked_at), -np.inf, liked_at), kind="stable")
    return np.sort(oldest_first[-MAX_CLUSTERED_LIKES:])


def _ages(liked_at: Float64Array) -> Float64Array:
    """Seconds before the newest like; 0 for all where no time is known."""
    unknown = np.isnan(liked_at)
    known = liked_at[~unknown]
    if not len(known):
        return np.zeros(len(liked_at))
    newest = known.max()
    return np.asarray(np.where(unknown, newest - known.min(), newest - liked_at))


def _padded(centroids: Float32Array) -> Float32Array:
    out = np.zeros((MAX_INTERESTS, centroids.shape[1]), dtype=np.float32)
    out[: len(centroids)] = centroids
    return out
