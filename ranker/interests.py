"""Likes to interests: the few directions that a reader's liked papers point in, each with its weight.

Average-linkage agglomerative clustering (UPGMA) on cosines: it needs no number of clusters and no random start.
"""

from dataclasses import dataclass

import numpy as np

from ranker.linear import multiplied_rows
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


def find_interests(units: Float32Array, rows: IndexArray, liked_at: Float64Array) -> Interests:
    """The interests of a reader.

    Args:
        units: (m, d) float32, vectors of liked papers.
        rows: (m,) their rows as given to ``build_profile``.
        liked_at: (m,) Unix seconds; NaN unknown, which counts as long ago as the oldest known time.
    """
    newest = np.sort(np.argsort(np.where(np.isnan(liked_at), -np.inf, liked_at), kind="stable")[-MAX_CLUSTERED_LIKES:])
    if not len(newest):
        return Interests(np.empty((0, units.shape[1]), dtype=np.float32), np.empty(0, dtype=np.float32), ())
    units, rows, ages = units[newest], rows[newest], _ages(liked_at[newest])
    worth = np.exp2(-ages / HALF_LIFE_SECONDS)
    clusters = _clustered(units)
    heavy = sorted(clusters, key=lambda members: (-float(worth[members].sum()), int(members[0])))[:MAX_INTERESTS]
    weights = np.array([worth[members].sum() for members in heavy])
    return Interests(
        centroids=np.stack([_centroid(units[members]) for members in heavy]),
        weights=(weights / weights.sum()).astype(np.float32),
        members=tuple(rows[members] for members in heavy),
    )


def _ages(liked_at: Float64Array) -> Float64Array:
    """Seconds before the newest like; 0 for all where no time is known."""
    if np.isnan(liked_at).all():
        return np.zeros(len(liked_at))
    ages = np.nanmax(liked_at) - liked_at
    return np.asarray(np.where(np.isnan(ages), np.nanmax(ages), ages))


def _clustered(units: Float32Array) -> list[IndexArray]:
    """Rows of each cluster, ascending.

    The best pair is joined first. ``similarity`` holds mean cosines between clusters; that of a joined one is the mean
    of its parts', weighted by their sizes. Each row's best partner is kept, so that a step looks at few rows again.
    """
    similarity = (units @ units.T).astype(np.float64)
    np.fill_diagonal(similarity, -np.inf)
    sizes = np.ones(len(units))
    members: list[list[int]] = [[i] for i in range(len(units))]
    partner = similarity.argmax(axis=1)
    best = similarity[np.arange(len(units)), partner]
    for _ in range(len(units) - 1):
        kept = int(best.argmax())
        if best[kept] < JOIN_COSINE:
            break
        gone = int(partner[kept])
        kept, gone = min(kept, gone), max(kept, gone)
        row = (similarity[kept] * sizes[kept] + similarity[gone] * sizes[gone]) / (sizes[kept] + sizes[gone])
        similarity[kept], similarity[:, kept] = row, row
        similarity[gone], similarity[:, gone] = -np.inf, -np.inf
        similarity[kept, kept] = -np.inf
        sizes[kept] += sizes[gone]
        members[kept] += members[gone]
        members[gone] = []
        best[gone] = -np.inf
        stale = np.flatnonzero((partner == kept) | (partner == gone) | (np.arange(len(units)) == kept))
        stale = stale[sizes[stale] > 0]
        partner[stale] = similarity[stale].argmax(axis=1)
        best[stale] = similarity[stale, partner[stale]]
        # A mean of two similarities never exceeds the greater one, so only rows that pointed at either can change.
        sizes[gone] = 0
    return [np.array(sorted(rows), dtype=np.intp) for rows in members if rows]


def _centroid(units: Float32Array) -> Float32Array:
    total = units.sum(axis=0)
    length = np.sqrt(np.einsum("i,i->", total, total))
    return np.asarray(total / max(float(length), 1e-6), dtype=np.float32)


def _padded(centroids: Float32Array) -> Float32Array:
    out = np.zeros((MAX_INTERESTS, centroids.shape[1]), dtype=np.float32)
    out[: len(centroids)] = centroids
    return out
