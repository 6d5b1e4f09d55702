from operator import itemgetter

import numpy as np
import pytest

from ranker.profile.clustering import clusters_of
from ranker.spaces.linear import unit_rows
from ranker.types import Float32Array


def by_definition(units: Float32Array, min_cosine: float) -> list[int]:
    """The cluster of each row, found by comparing all clusters before each join."""
    cosines = units @ units.T
    clusters = [[row] for row in range(len(units))]
    while len(clusters) > 1:
        pairs = [(i, j) for j in range(len(clusters)) for i in range(j)]
        means = {(i, j): cosines[np.ix_(clusters[i], clusters[j])].mean() for i, j in pairs}
        (left, right), best = max(means.items(), key=itemgetter(1))
        if best < min_cosine:
            break
        clusters[left] = sorted(clusters[left] + clusters.pop(right))
    first = {row: rows[0] for rows in clusters for row in rows}
    return [first[row] for row in range(len(units))]


@pytest.mark.parametrize("min_cosine", [-1.0, 0.35, 0.6, 1.1])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 12, 40])
def test_follows_the_definition(count: int, min_cosine: float) -> None:
    """The pair of clusters with the greatest mean cosine is joined until that mean falls below the minimum."""
    rng = np.random.default_rng(count)
    centres = rng.standard_normal((5, 32))
    vectors = centres[rng.integers(0, 5, count)] + 0.8 * rng.standard_normal((count, 32))
    units = unit_rows(vectors.astype(np.float32))

    assert clusters_of(units, min_cosine).tolist() == by_definition(units, min_cosine)
