"""Average-linkage agglomerative clustering (UPGMA) on cosines: it needs no number of clusters and no random start.

The best pair is joined first. A matrix of similarities holds mean cosines between clusters, -inf for those gone;
that of a joined one is the mean of its parts', weighted by their sizes.
"""

from collections.abc import Sequence

import numpy as np

from ranker.types import Float32Array, Float64Array, IndexArray

_FEW_LIKES = 100
"""Of so many all pairs are looked at for each join, where there are several readers of all of them at once."""
_TOGETHER = 64
"""Readers; their similarities are to stay in the processor's cache."""


def clusters_of(vectors: Sequence[Float32Array], least_cosine: float) -> list[IndexArray]:
    """(m,) for each reader: each like's cluster, named by its first member.

    Many readers together take a fraction of the time, and get the same bits, as one by one.

    Args:
        vectors: Of each reader (m, d) unit rows.
        least_cosine: Clusters are joined while their members have at least this cosine on average.
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
                together = [_clustered_alone(each, least_cosine) for each in similarities]
            else:
                together = list(_clustered_together(np.stack(similarities), least_cosine))
            for place, found in zip(some, together, strict=True):
                labels[place] = found
    return labels


def _similarity(units: Float32Array) -> Float64Array:
    found = (units @ units.T).astype(np.float64)
    np.fill_diagonal(found, -np.inf)
    return found


def _clustered_together(similarity: Float64Array, least_cosine: float) -> IndexArray:
    """(u, m) clusters of u readers with as many likes each, one join of each reader at a time.

    Args:
        similarity: (u, m, m), is written to.
    """
    user_count, count = similarity.shape[:2]
    done = np.tile(np.arange(count), (user_count, 1))
    labels, sizes = done.copy(), np.ones((user_count, count))
    users, each = np.arange(user_count), np.arange(user_count)
    for _ in range(count - 1):
        flat = similarity.reshape(len(each), -1)
        best = flat.argmax(axis=1)
        joins = flat[each, best] >= least_cosine
        if not joins.all():
            done[users] = labels
            users, best, each = users[joins], best[joins], each[: int(joins.sum())]
            similarity, labels, sizes = similarity[joins], labels[joins], sizes[joins]
            if not len(users):
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
    done[users] = labels
    return done


def _clustered_alone(similarity: Float64Array, least_cosine: float) -> IndexArray:
    """(m,) clusters of one reader; ``similarity`` is written to. Alone, or of many likes, twice as fast as together."""
    count = len(similarity)
    sizes = [1] * count
    labels = np.arange(count)
    best_pair = _BestPair(similarity)
    for _ in range(count - 1):
        kept, gone = best_pair.find()
        if similarity[kept, gone] < least_cosine:
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
