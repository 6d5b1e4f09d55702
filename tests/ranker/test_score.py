from dataclasses import replace

import lightgbm
import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA
from ranker.score import best_first, read_model
from testing.ranker import BASE, assert_close, training_features

FEATURES = training_features(5)[0]
WEIGHTS = np.array([BASE.get(name, 0.0) for name in SCHEMA.names])


def test_scores_are_lightgbms_and_the_base(small_bundle: Bundle) -> None:
    """A score is LightGBM's prediction plus the weighted sum of the base's features, rounded to 1e-6."""
    model = small_bundle.model
    trees = np.asarray(lightgbm.Booster(model_str=model.text).predict(FEATURES, num_threads=1))
    expected = trees + np.nan_to_num(FEATURES).astype(np.float64) @ WEIGHTS
    found = model.scores(FEATURES, model.leaves(FEATURES))

    assert np.allclose(found, expected, atol=2e-6)
    assert np.array_equal(found, np.round(found, 6))
    assert not np.allclose(found, trees, atol=1e-3)


def test_unknown_features_add_nothing(small_bundle: Bundle) -> None:
    """A feature of the base that is unknown adds nothing to the score."""
    model = replace(small_bundle.model, base=WEIGHTS.astype(np.float32))
    unknown = FEATURES[:3].copy()
    unknown[:, WEIGHTS != 0] = np.nan
    trees = np.asarray(lightgbm.Booster(model_str=model.text).predict(unknown, num_threads=1))
    assert np.allclose(model.scores(unknown, model.leaves(unknown)), trees, atol=1e-6)


def test_without_a_base(small_bundle: Bundle) -> None:
    """With a base of zeros the trees alone score."""
    model = replace(small_bundle.model, base=np.zeros(len(SCHEMA), dtype=np.float32))
    trees = np.asarray(lightgbm.Booster(model_str=model.text).predict(FEATURES, num_threads=1))
    assert np.allclose(model.scores(FEATURES, model.leaves(FEATURES)), trees, atol=6e-7)


def test_stacking_changes_nothing(small_bundle: Bundle) -> None:
    """The score of a row does not depend on the other rows of the call."""
    model = small_bundle.model
    rows = [FEATURES[i : i + 1] for i in range(len(FEATURES))]
    alone = np.concatenate([model.scores(row, model.leaves(row)) for row in rows])
    assert_close(model.scores(FEATURES, model.leaves(FEATURES)), alone)


def test_no_rows(small_bundle: Bundle) -> None:
    """Without rows there are no scores and no contributions."""
    model, rows = small_bundle.model, np.empty((0, len(SCHEMA)), np.float32)
    assert model.scores(rows, model.leaves(rows)).shape == (0,)
    assert model.contributions(rows, model.leaves(rows)).shape == (0, len(SCHEMA.families))


def test_a_single_leaf_is_a_model() -> None:
    """A model whose trees have a single leaf gives all rows the same score and no contributions."""
    features = np.zeros((50, len(SCHEMA)), dtype=np.float32)
    data = lightgbm.Dataset(features, np.arange(50) % 2, group=[50])
    text = lightgbm.train({"objective": "lambdarank", "verbose": -1, "num_threads": 1}, data, 2).model_to_string()
    model = read_model(text, np.zeros(len(SCHEMA), dtype=np.float32), SCHEMA.family_of)
    leaves = model.leaves(features)
    assert np.unique(model.scores(features, leaves)).size == 1
    assert not model.contributions(features, leaves).any()


def test_ties() -> None:
    """Rows with equal scores are ordered by the rank of the paper's id."""
    assert best_first(np.array([1.0, 2.0, 1.0, 2.0]), np.array([3, 2, 0, 1])).tolist() == [3, 1, 2, 0]
