"""Interests: the few directions that a user's liked papers point in, each with a weight."""

from dataclasses import dataclass

import numpy as np

from ranker.profile.clustering import clusters_of
from ranker.spaces.linear import unit_rows
from ranker.types import Float32Array, Float64Array, IndexArray

MAX_INTERESTS = 8
MAX_CLUSTERED_LIKES = 500
"""Number of newest likes that are clustered. The time grows with its square: 0.1 ms for 30 likes, 3 ms for 500."""
JOIN_COSINE = 0.35
"""Clusters are joined while their papers have at least this mean cosine (MiniLM: papers of one field)."""
HALF_LIFE_SECONDS = 180 * 86_400.0


@dataclass(frozen=True)
class Interests:
    """The k interests of one user, heaviest first; k is 0 without liked vectors, else 1 to ``MAX_INTERESTS``.

    Attributes:
        centroids: (k, d) float32 of unit length.
        weights: (k,) float32 that sum to 1. An interest weighs as much as its likes together. The weight of a like
            halves for every 180 days that it is older than the newest like.
        members: For each interest the rows of its likes as given to ``build_profile``, ascending. Some likes belong to
            no interest: those without a vector, those older than the newest ``MAX_CLUSTERED_LIKES``, and those of
            interests lighter than the heaviest ``MAX_INTERESTS``.
    """

    centroids: Float32Array
    weights: Float32Array
    members: tuple[IndexArray, ...]

    def __len__(self) -> int:
        return len(self.members)


def find_interests(units: Float32Array, rows: IndexArray, liked_at: Float64Array) -> Interests:
    """Cluster liked papers into interests.

    Args:
        units: (m, d) float32 unit vectors of liked papers.
        rows: (m,) rows of these likes as given to ``build_profile``.
        liked_at: (m,) Unix seconds. NaN means unknown and counts as the oldest known time.
    """
    newest = newest_rows(liked_at, MAX_CLUSTERED_LIKES)
    units, rows, liked_at = units[newest], rows[newest], liked_at[newest]
    if not len(units):
        return Interests(np.empty((0, units.shape[1]), dtype=np.float32), np.empty(0, dtype=np.float32), ())
    labels = clusters_of(units, JOIN_COSINE)
    weights = np.bincount(labels, like_weights(liked_at), len(labels))
    first = np.flatnonzero(np.bincount(labels))
    # Of equal weights the interest with the earliest like comes first.
    heavy = first[np.argsort(-weights[first], kind="stable")][:MAX_INTERESTS]
    is_member = labels == heavy[:, None]
    shares = weights[heavy] / weights[heavy].sum()
    return Interests(
        centroids=unit_rows(is_member.astype(np.float32) @ units),
        weights=shares.astype(np.float32),
        members=tuple(rows[own] for own in is_member),
    )


def newest_rows(liked_at: Float64Array, count: int) -> IndexArray:
    """Return the rows of the newest ``count`` likes, ascending; likes of unknown time (NaN) count as the oldest."""
    if len(liked_at) <= count:
        return np.arange(len(liked_at))
    oldest_first = np.argsort(np.where(np.isnan(liked_at), -np.inf, liked_at), kind="stable")
    return np.sort(oldest_first[-count:])


def like_weights(liked_at: Float64Array) -> Float64Array:
    """Return the weight of each like, 0 to 1: it halves for every 180 days that the like is older than the newest.

    Args:
        liked_at: (m,) Unix seconds. NaN means unknown and counts as the oldest known time.
    """
    return np.asarray(np.exp2(-_ages(liked_at) / HALF_LIFE_SECONDS))


def _ages(liked_at: Float64Array) -> Float64Array:
    """Return how many seconds each like is older than the newest; 0 for all if no time is known."""
    unknown = np.isnan(liked_at)
    known = liked_at[~unknown]
    if not len(known):
        return np.zeros(len(liked_at))
    newest = known.max()
    return np.asarray(np.where(unknown, newest - known.min(), newest - liked_at))
