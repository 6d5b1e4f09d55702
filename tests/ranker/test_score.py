import lightgbm
import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA
from ranker.score import best_first, read_model
from testing.ranker import assert_close, training_features


def test_scores_are_lightgbms(small_bundle: Bundle) -> None:
    """Scores equal LightGBM's predictions, rounded to 1e-6."""
    features = training_features(5)[0]
    model = small_bundle.model
    expected = np.asarray(lightgbm.Booster(model_str=model.text).predict(features, num_threads=1))
    assert np.allclose(model.scores(model.leaves(features)), expected, atol=6e-7)


def test_stacking_changes_nothing(small_bundle: Bundle) -> None:
    """The score of a row does not depend on the other rows of the call."""
    features = training_features(5)[0]
    model = small_bundle.model
    alone = np.concatenate([model.scores(model.leaves(features[i : i + 1])) for i in range(len(features))])
    assert_close(model.scores(model.leaves(features)), alone)


def test_no_rows(small_bundle: Bundle) -> None:
    """Without rows there are no scores."""
    model = small_bundle.model
    assert model.scores(model.leaves(np.empty((0, len(SCHEMA)), np.float32))).shape == (0,)


def test_a_single_leaf_is_a_model() -> None:
    """A model whose trees have a single leaf gives all rows the same score and no contributions."""
    features = np.zeros((50, len(SCHEMA)), dtype=np.float32)
    data = lightgbm.Dataset(features, np.arange(50) % 2, group=[50])
    text = lightgbm.train({"objective": "lambdarank", "verbose": -1, "num_threads": 1}, data, 2).model_to_string()
    model = read_model(text, SCHEMA.family_of)
    leaves = model.leaves(features)
    assert np.unique(model.scores(leaves)).size == 1
    assert not model.contributions(leaves).any()


def test_ties() -> None:
    """Rows with equal scores are ordered by the rank of the paper's id."""
    assert best_first(np.array([1.0, 2.0, 1.0, 2.0]), np.array([3, 2, 0, 1])).tolist() == [3, 1, 2, 0]
