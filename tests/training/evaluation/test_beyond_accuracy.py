import numpy as np
import pytest

from tests.training.evaluation.builders import dated
from training.evaluation.beyond_accuracy import Background, beyond_accuracy
from training.evaluation.corpus import Corpus
from training.evaluation.scoring import Answers


def answers(tops: dict[str, list[list[int]]], rounds: list[int]) -> Answers:
    """Return answers with these lists."""
    count = np.zeros(len(rounds), dtype=np.intp)
    lists = {name: np.array(rows) for name, rows in tops.items()}
    return Answers(("mrr",), np.arange(len(rounds)), count, np.array(rounds), count, count, {}, lists, {}, ())


BACKGROUND = Background(
    topics=np.array([0, 0, 1, 2]),
    units=np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]),
    rarity=np.array([1.0, 3.0, np.nan, np.nan]),
)


def test_by_hand() -> None:
    """The measures have the values computed by hand; -1 means no paper."""
    found = beyond_accuracy(answers({"a": [[0, 1, -1], [0, 2, -1]], "b": [[2, 3, -1], [2, 3, -1]]}, [0, 0]), BACKGROUND)
    assert found["a"] == {"topic_coverage": 0.75, "intra_list_diversity": 0.5, "novelty": 1.5, "overlap": 0.333333}
    assert found["b"] == {"topic_coverage": 1.0, "intra_list_diversity": 2.0, "novelty": None, "overlap": 1.0}


def test_overlap_within_a_round() -> None:
    """Queries of different rounds are not compared."""
    assert beyond_accuracy(answers({"a": [[0, 1], [0, 2]]}, [0, 1]), BACKGROUND)["a"]["overlap"] is None


def test_background() -> None:
    """Topics follow the planted fields, and rarity is -log2 of the share of users who like a paper."""
    data = dated()
    found = Background.of(Corpus.of(data.papers), np.arange(200), data.likes)
    assert 2 <= len(np.unique(found.topics)) <= 10
    liked = int(data.likes.papers[0])
    assert found.rarity[liked] == pytest.approx(-np.log2((data.likes.papers == liked).sum() / 60))
