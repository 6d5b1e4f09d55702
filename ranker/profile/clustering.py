"""Average-linkage clustering (UPGMA) by cosine: it needs no number of clusters and no random start."""

import numpy as np
from scipy.cluster.hierarchy import linkage

from ranker.types import Float32Array, IndexArray


def clusters_of(units: Float32Array, min_cosine: float) -> IndexArray:
    """Return the cluster of each row, named by the cluster's first row; (m,).

    The two nearest clusters are joined while the mean cosine between their members is at least ``min_cosine``.

    Args:
        units: (m, d) finite rows of unit length.
    """
    count = len(units)
    if count < 2:
        return np.arange(count)
    upper = ~np.tri(count, dtype=np.bool_)
    merges = linkage(1 - (units @ units.T)[upper].astype(np.float64), "average")
    # Each merge makes a new node of two earlier nodes, nearest pair first; the first m nodes are the rows.
    joined = merges[merges[:, 2] <= 1 - min_cosine, :2].astype(np.intp).tolist()
    first = list(range(count))
    for left, right in joined:
        first.append(min(first[left], first[right]))
    for node in range(len(first) - 1, count - 1, -1):
        for part in joined[node - count]:
            first[part] = first[node]
    return np.array(first[:count])
