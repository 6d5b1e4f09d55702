import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import best_first_hits, ndcg, recall, reciprocal_rank


def test_by_hand() -> None:
    """The metrics have the values computed by hand for hits at places 2 and 4 of five."""
    hits = np.array([False, True, False, True, False])
    assert ndcg(hits, 10) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3)))
    assert ndcg(hits, 2) == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert reciprocal_rank(hits) == 0.5
    assert recall(hits, 3) == 0.5


def test_nothing_relevant() -> None:
    """Without relevant items every metric is NaN."""
    hits = np.zeros(3, dtype=np.bool_)
    assert np.isnan([ndcg(hits, 10), reciprocal_rank(hits), recall(hits, 5)]).all()


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 50))
def test_bounds(flags: list[bool], count: int) -> None:
    """Metrics lie between 0 and 1, and the perfect order has an nDCG of 1."""
    hits = np.array(flags)
    if hits.any():
        assert all(0 <= value <= 1 for value in (ndcg(hits, count), reciprocal_rank(hits), recall(hits, count)))
        assert ndcg(best_first_hits(hits.astype(float), hits), count) == pytest.approx(1)
