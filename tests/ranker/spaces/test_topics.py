from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.spaces.topics import NEAREST_TOPICS, Topics, main_topics
from testing.ranker import assert_close, columns, pending, spaces

RNG = np.random.default_rng(2)
CENTROIDS = RNG.standard_normal((64, 384)).astype(np.float32)
TOPICS = Topics(CENTROIDS / np.linalg.norm(CENTROIDS, axis=1, keepdims=True), tuple(f"topic {i}" for i in range(64)))
SPACES = replace(spaces(384), topics=TOPICS)
PAPERS = pending(columns(130, dim=384), [3, 60])
WHOLE = SPACES.matrix(PAPERS)


def test_weights_by_hand() -> None:
    """Only a paper's nearest topics have weights; they sum to 1, and the nearest topic weighs most."""
    weights = TOPICS.weights(WHOLE.units)
    cosines = WHOLE.units @ TOPICS.centroids.T
    for row in np.flatnonzero(WHOLE.has_vector):
        assert (weights[row] > 0).sum() == NEAREST_TOPICS
        assert abs(weights[row].sum() - 1) < 1e-6
        assert weights[row].argmax() == cosines[row].argmax() == main_topics(weights)[row]


def test_pending_is_unknown() -> None:
    """A paper with a pending vector has NaN weights and the main topic -1."""
    weights = TOPICS.weights(WHOLE.units)
    assert np.flatnonzero(np.isnan(weights).all(axis=1)).tolist() == [3, 60]
    assert np.flatnonzero(main_topics(weights) == -1).tolist() == [3, 60]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 129), min_size=1, max_size=100, unique=True))
def test_row_independence(rows: list[int]) -> None:
    """The topic weights of a paper do not depend on the other papers of its matrix."""
    alone = SPACES.matrix(PAPERS.take(rows)).topic_weights
    assert alone is not None
    assert WHOLE.topic_weights is not None
    assert_close(alone, WHOLE.topic_weights[rows])


def test_no_topics() -> None:
    """Without topics papers have no topic weights and the main topic -1."""
    none = Topics.none(384)
    assert none.weights(WHOLE.units).shape == (130, 0)
    assert (main_topics(none.weights(WHOLE.units)) == -1).all()
