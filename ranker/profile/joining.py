"""Joins liked papers to given groups of papers, and splits a group in two, by the measure that found the groups."""

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from ranker.profile.interests import JOIN_COSINE
from ranker.types import BoolArray, Float32Array, IndexArray

MAX_SPLIT = 1_000
"""Number of first rows of a group that decide where it is split. The time grows with its square."""


def nearest_groups(units: Float32Array, groups: Sequence[Float32Array]) -> IndexArray:
    """Return the group with the highest mean cosine to each row; (m,), -1 if none reaches ``JOIN_COSINE``.

    Average linkage joins clusters by the same measure and limit. The result of a row does not depend on other rows.

    Args:
        units: (m, d) rows of unit length.
        groups: Rows of unit length of each group, (k, d) each. Nothing joins a group without rows.
    """
    if not len(units) or not groups:
        return np.full(len(units), -1, dtype=np.intp)
    means = [group.mean(axis=0) if len(group) else np.zeros(units.shape[1], dtype=np.float32) for group in groups]
    cosines = units @ np.array(means, dtype=np.float32).T
    best = cosines.argmax(axis=1)
    return np.where(cosines.max(axis=1) >= JOIN_COSINE, best, -1)


def halves(units: Float32Array) -> BoolArray:
    """Return whether each row belongs to the smaller of the two clusters that average linkage joins last; (m,).

    Rows after the first ``MAX_SPLIT`` go to the cluster with the higher mean cosine.

    Args:
        units: (m, d) rows of unit length, at least two.
    """
    head = units[:MAX_SPLIT]
    upper = ~np.tri(len(head), dtype=np.bool_)
    labels = fcluster(linkage(1 - (head @ head.T)[upper].astype(np.float64), "average"), 2, "maxclust")
    is_second = labels == labels.max()
    if is_second.sum() * 2 > len(is_second):
        is_second = ~is_second
    if is_second.all() or not is_second.any():
        # All papers are alike, so any half will do.
        is_second = np.arange(len(head)) >= (len(head) + 1) // 2
    rest = units[MAX_SPLIT:]
    nearer = rest @ head[is_second].mean(axis=0) > rest @ head[~is_second].mean(axis=0)
    return np.concatenate([is_second, nearer])
