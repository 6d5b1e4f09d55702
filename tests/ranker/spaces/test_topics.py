from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.spaces.spaces import plain_matrix
from ranker.spaces.topics import Topics
from testing.ranker import columns, pending, spaces

RNG = np.random.default_rng(2)
CENTROIDS = RNG.standard_normal((64, 384)).astype(np.float32)
TOPICS = Topics(CENTROIDS / np.linalg.norm(CENTROIDS, axis=1, keepdims=True), tuple(f"topic {i}" for i in range(64)))
SPACES = replace(spaces(384), topics=TOPICS)
PAPERS = pending(columns(130, dim=384), [3, 60])
WHOLE = SPACES.matrix(PAPERS)


def test_nearest_by_hand() -> None:
    """The main topic of a paper is the topic with the greatest cosine, and -1 if the vector is pending."""
    expected = [
        -1 if row in (3, 60) else max(range(64), key=(TOPICS.centroids @ unit).__getitem__)
        for row, unit in enumerate(WHOLE.units)
    ]
    assert WHOLE.main_topics.tolist() == expected


@settings(max_examples=30)
@given(st.lists(st.integers(0, 129), min_size=1, max_size=100, unique=True))
def test_row_independence(rows: list[int]) -> None:
    """The topic of a paper does not depend on the other papers of its matrix, taken or placed."""
    assert np.array_equal(SPACES.matrix(PAPERS.take(rows)).main_topics, WHOLE.main_topics[rows])
    assert np.array_equal(WHOLE.take(rows).main_topics, WHOLE.main_topics[rows])


def test_no_topics() -> None:
    """Without topics or without a bundle the main topic is -1."""
    for found in (replace(spaces(384), topics=Topics.none(384)), replace(spaces(384), topics=None)):
        assert (found.matrix(PAPERS).main_topics == -1).all()
    assert (plain_matrix(PAPERS).main_topics == -1).all()
