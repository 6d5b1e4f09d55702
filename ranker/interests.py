"""Likes to interests: the few directions that a reader's liked papers point in, each with its weight.

Average-linkage agglomerative clustering (UPGMA) on cosines: it needs no number of clusters and no random start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.linear import multiplied_rows, unit_rows
from ranker.types import Float32Array, Float64Array, IndexArray

MAX_INTERESTS = 8
MAX_CLUSTERED_LIKES = 500
"""The newest likes that are clustered: the time grows with their square (half a millisecond for 30, 7 for 500)."""
_FEW_LIKES = 100
"""Of so many all pairs are looked at for each join, where there are several readers of all of them at once."""
_TOGETHER = 64
"""Readers; their similarities are to stay in the processor's cache."""
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


def find_interests(readers: Sequence[LikedVectors]) -> list[Interests]:
    """The interests of each reader; many together take a fraction of the time, and get the same bits, as one by one."""
    newest = [_newest(liked.liked_at) for liked in readers]
    clustered = [
        (liked.units[rows], liked.rows[rows], liked.liked_at[rows]) for liked, rows in zip(readers, newest, strict=True)
    ]
    labels = _clustered([units for units, _, _ in clustered])
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


def _clustered(vectors: Sequence[Float32Array]) -> list[IndexArray]:
    """(m,) for each reader: each like's cluster, named by its first member.

    The best pair is joined first. A matrix of similarities holds mean cosines between clusters, -inf for those that are
    gone; that of a joined one is the mean of its parts', weighted by their sizes.
    """
    labels = [np.arange(len(units)) for units in vectors]
    places: dict[int, list[int]] = {}
    for place, units in enumerate(vectors):
        if len(units):
            places.setdefault(len(units), []).append(place)
    for count, alike in places.items():
        for start in range(0, len(alike), _TOGETHER):
            some = alike[start : start + _TOGETHER]
            similarities = [_similarity(vectors[place]) for place in some]
            if len(some) == 1 or count > _FEW_LIKES:
                together = list(map(_clustered_alone, similarities))
            else:
                together = list(_clustered_together(np.stack(similarities)))
            for place, found in zip(some, together, strict=True):
                labels[place] = found
    return labels


def _similarity(units: Float32Array) -> Float64Array:
    found = (units @ units.T).astype(np.float64)
    np.fill_diagonal(found, -np.inf)
    return found


def _clustered_together(similarity: Float64Array) -> IndexArray:
    """(u, m) clusters of u readers with as many likes each, one join of each reader at a time.

    Args:
        similarity: (u, m, m), is written to.
    """
    reader_count, count = similarity.shape[:2]
    done = np.tile(np.arange(count), (reader_count, 1))
    labels, sizes = done.copy(), np.ones((reader_count, count))
    readers, each = np.arange(reader_count), np.arange(reader_count)
    for _ in range(count - 1):
        flat = similarity.reshape(len(each), -1)
        best = flat.argmax(axis=1)
        joins = flat[each, best] >= JOIN_COSINE
        if not joins.all():
            done[readers] = labels
            readers, best, each = readers[joins], best[joins], each[: int(joins.sum())]
            similarity, labels, sizes = similarity[joins], labels[joins], sizes[joins]
            if not len(readers):
                break
        row, column = np.divmod(best, count)
        kept, gone = np.minimum(row, column), np.maximum(row, column)
        own, other = sizes[each, kept], sizes[each, gone]
        together = own + other
        joined = similarity[each, kept] * own[:, None] + similarity[each, gone] * other[:, None]
        joined /= together[:, None]
        joined[each, kept] = joined[each, gone] = -np.inf
        similarity[each, kept] = similarity[each, :, kept] = joined
        similarity[each, gone] = similarity[each, :, gone] = -np.inf
        sizes[each, kept] = together
        np.copyto(labels, kept[:, None], where=labels == gone[:, None])
    done[readers] = labels
    return done


def _clustered_alone(similarity: Float64Array) -> IndexArray:
    """(m,) clusters of one reader; ``similarity`` is written to. Alone, or of many likes, twice as fast as together."""
    count = len(similarity)
    sizes = [1] * count
    labels = np.arange(count)
    best_pair = _BestPair(similarity)
    for _ in range(count - 1):
        kept, gone = best_pair.find()
        if similarity[kept, gone] < JOIN_COSINE:
            break
        kept, gone = min(kept, gone), max(kept, gone)
        own, other = sizes[kept], sizes[gone]
        row = (similarity[kept] * own + similarity[gone] * other) / (own + other)
        row[kept] = row[gone] = -np.inf
        similarity[kept] = similarity[:, kept] = row
        similarity[gone] = similarity[:, gone] = -np.inf
        sizes[kept] = own + other
        labels[labels == gone] = kept
        best_pair.update(kept, gone)
    return labels


class _BestPair:
    """Finds the greatest similarity again after each join."""

    def __init__(self, similarity: Float64Array) -> None:
        self._similarity = similarity
        # Of few likes all pairs are looked at each time; else each row's best partner is kept.
        self._looks_at_all = len(similarity) <= _FEW_LIKES
        self._partner = similarity.argmax(axis=1)
        self._best = similarity[np.arange(len(similarity)), self._partner]

    def find(self) -> tuple[int, int]:
        """Row and column, the first of several."""
        if self._looks_at_all:
            row, column = divmod(int(self._similarity.argmax()), len(self._similarity))
            return row, column
        row = int(self._best.argmax())
        return row, int(self._partner[row])

    def update(self, kept: int, gone: int) -> None:
        """To be called when the rows and columns of both have changed."""
        if self._looks_at_all:
            return
        self._best[gone] = -np.inf
        # A mean of two similarities never exceeds the greater one, so only rows that pointed at either can change.
        stale = ((self._partner == kept) | (self._partner == gone)) & (self._best > -np.inf)
        stale[kept] = True
        changed = np.flatnonzero(stale)
        rows = self._similarity[changed]
        self._partner[changed] = found = rows.argmax(axis=1)
        self._best[changed] = rows[np.arange(len(changed)), found]


def _padded(centroids: Float32Array) -> Float32Array:
    out = np.zeros((MAX_INTERESTS, centroids.shape[1]), dtype=np.float32)
    out[: len(centroids)] = centroids
    return out
