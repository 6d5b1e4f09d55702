import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.diversify import MAX_PLACES, MAX_POOL, diversify, topic_cap
from ranker.papers import paper_columns
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array


def inputs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An order, scores with ties, and vectors of which a fifth is pending."""
    rng = np.random.default_rng(seed)
    units = rng.standard_normal((count, 8)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    units[rng.random(count) < 0.2] = np.nan
    scores = np.round(rng.standard_normal(count), 1)
    return np.argsort(-scores, kind="stable"), scores, units


def papers(units: Float32Array, topics: list[int] | None = None) -> PaperMatrix:
    """Papers with these vectors, each of one topic; -1 is unknown."""
    columns = paper_columns([f"p{i}" for i in range(len(units))], [""] * len(units), units)
    found = PaperMatrix(columns=columns, units=units)
    if topics is not None:
        # Computed values are kept, so this replaces the topics that the vectors would give.
        vars(found)["main_topics"] = np.array(topics)
    return found


@given(st.integers(0, 260), st.integers(0, 1000), st.floats(0, 1))
def test_same_papers_once_each(count: int, seed: int, diversity: float) -> None:
    """Every paper appears exactly once at any diversity."""
    order, scores, units = inputs(count, seed)
    assert sorted(diversify(order, scores, papers(units), diversity).tolist()) == list(range(count))


@given(st.integers(0, 100), st.integers(0, 1000))
def test_zero_is_the_order_of_scores(count: int, seed: int) -> None:
    """A diversity of 0 changes nothing."""
    order, scores, units = inputs(count, seed)
    assert np.array_equal(diversify(order, scores, papers(units), 0.0), order)


@given(st.integers(1, 260), st.integers(0, 1000), st.floats(0.01, 1))
def test_best_stays_first_and_the_tail_keeps_its_order(count: int, seed: int, diversity: float) -> None:
    """The best-scored paper stays first, and papers beyond the places and the pool keep their order."""
    order, scores, units = inputs(count, seed)
    found = diversify(order, scores, papers(units), diversity)
    assert found[0] == order[0]
    assert np.array_equal(found[MAX_POOL:], order[MAX_POOL:])
    rank = np.argsort(order)
    assert (np.diff(rank[found[MAX_PLACES:MAX_POOL]]) > 0).all()


def test_copies_give_way() -> None:
    """Of two identical papers the second comes after a different paper."""
    units = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    scores = np.array([1.0, 0.9, 0.5])
    assert diversify(np.array([0, 1, 2]), scores, papers(units), 0.6).tolist() == [0, 2, 1]


def test_follows_the_definition() -> None:
    """Each place holds the paper with the greatest (1 - diversity) * scaled score - diversity * similarity."""
    order, scores, units = inputs(30, 4)
    found, known = diversify(order, scores, papers(units), 0.4), np.nan_to_num(units)
    scaled = (scores - scores.min()) / (scores.max() - scores.min())
    for place in range(1, 30):
        placed, left = found[:place], found[place:]
        value = 0.6 * scaled[left] - 0.4 * (known[left] @ known[placed].T).max(axis=1)
        assert value[0] >= value.max() - 1e-6


@pytest.mark.parametrize(("diversity", "most"), [(0.1, 7), (0.3, 6), (0.5, 5), (1.0, 3)])
def test_topic_caps(diversity: float, most: int) -> None:
    """No ten places in a row exceed the topic cap while other papers are left, and unknown topics never wait."""
    assert topic_cap(diversity) == most
    count = 40
    topics = [0] * 20 + [1] * 8 + [2] * 8 + [-1] * 4
    scores = np.linspace(1, 0, count)
    units = np.full((count, 4), np.nan, np.float32)
    rows = diversify(np.arange(count), scores, papers(units, topics), diversity)
    assert sorted(rows.tolist()) == list(range(count))
    placed = np.array(topics)[rows[:20]]
    for start in range(11):
        window = placed[start : start + 10].tolist()
        assert max(window.count(0), window.count(1), window.count(2)) <= most
    assert diversify(np.arange(count), scores, papers(units, topics), 0.0).tolist() == list(range(count))


def test_without_caps_one_topic_may_fill_a_window() -> None:
    """Without caps, ten places in a row go to the ten best papers of one topic; with caps, not all of them do."""
    units = np.eye(20, dtype=np.float32)
    scores, topics = np.linspace(1, 0, 20), [0] * 10 + [1] * 10

    free, capped = (
        diversify(np.arange(20), scores, papers(units, topics), 0.1, caps_topics=caps) for caps in (False, True)
    )

    assert free.tolist() == list(range(20))
    assert sorted(capped[:10]) != list(range(10))
    assert sorted(capped) == list(range(20))


def test_one_topic_alone_fills_the_slate() -> None:
    """If all papers are of one topic, the cap does not apply and no paper is lost."""
    rows = diversify(np.arange(9), np.linspace(1, 0, 9), papers(np.full((9, 4), np.nan, np.float32), [0] * 9), 0.1)
    assert rows.tolist() == list(range(9))
