import lightgbm
import numpy as np
import pytest

from ranker.features import SCHEMA
from ranker.score import read_model
from ranker.types import Float32Array
from training.trees.joined_trees import join_models, split_model

GATE, THRESHOLD = SCHEMA.names.index("text_liked_terms"), 3.7


def matrix(seed: int, count: int = 600) -> Float32Array:
    """Return rows with a tenth of the values unknown."""
    rng = np.random.default_rng(seed)
    rows = 4 * rng.standard_normal((count, len(SCHEMA))).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


def model(feature: int, trees: int) -> lightgbm.Booster:
    """Return a ranker that depends on one feature."""
    rows = matrix(feature)
    relevant = np.nan_to_num(rows[:, feature]) > 3
    params = {"objective": "lambdarank", "num_leaves": 7, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1}
    return lightgbm.train(params, lightgbm.Dataset(rows, relevant, group=[30] * 20), trees)


@pytest.mark.parametrize(("low_trees", "high_trees"), [(5, 5), (3, 8), (8, 1)])
def test_each_side_scores_as_it_did(low_trees: int, high_trees: int) -> None:
    """Scores differ from those of the side's own model by a constant, whichever side has more trees."""
    low, high = model(0, low_trees), model(1, high_trees)
    joined = lightgbm.Booster(model_str=join_models(low.model_to_string(), high.model_to_string(), GATE, THRESHOLD))
    rows = matrix(7)
    is_high = rows[:, GATE] > THRESHOLD
    found = joined.predict(rows)
    assert joined.num_trees() == max(low_trees, high_trees)
    assert np.ptp((found - low.predict(rows))[~is_high]) < 1e-12
    assert np.ptp((found - high.predict(rows))[is_high]) < 1e-12


def test_unknown_goes_low() -> None:
    """The low side scores rows whose feature is unknown."""
    low, high = model(0, 4), model(1, 4)
    joined = lightgbm.Booster(model_str=join_models(low.model_to_string(), high.model_to_string(), GATE, THRESHOLD))
    rows = matrix(7)
    rows[:, GATE] = np.nan
    assert np.ptp(joined.predict(rows) - low.predict(rows)) < 1e-12


def test_the_root_gets_no_credit() -> None:
    """SHAP values, and contributions without a base score, sum up to the scores of the joined model."""
    text = join_models(model(0, 6).model_to_string(), model(1, 3).model_to_string(), GATE, THRESHOLD)
    read, rows = read_model(text, SCHEMA.family_of), matrix(9)
    found = lightgbm.Booster(model_str=text).predict(rows)
    leaves = read.leaves(rows)
    assert np.allclose(read.scores(leaves), found, atol=1e-6)
    assert np.allclose(read.contributions(leaves).sum(axis=1), found, atol=1e-6)
    parts = np.asarray(lightgbm.Booster(model_str=text).predict(rows, pred_contrib=True))
    assert np.allclose(parts.sum(axis=1), found, atol=1e-9)


@pytest.mark.parametrize(("low_trees", "high_trees"), [(5, 5), (3, 8), (8, 1)])
def test_split_undoes_join(low_trees: int, high_trees: int) -> None:
    """Splitting returns both models with their scores, up to a constant, and with their SHAP values."""
    models = model(0, low_trees), model(1, high_trees)
    parts = split_model(join_models(*(each.model_to_string() for each in models), GATE, THRESHOLD), GATE, THRESHOLD)
    assert parts is not None
    rows = matrix(7)
    for part, before in zip(parts, models, strict=True):
        again = lightgbm.Booster(model_str=part)
        assert np.ptp(again.predict(rows) - before.predict(rows)) < 1e-12
        shap, shap_before = (np.asarray(each.predict(rows, pred_contrib=True))[:, :-1] for each in (again, before))
        assert np.allclose(shap, shap_before, atol=1e-9)


def test_nothing_to_split() -> None:
    """A model that was not joined, or at another threshold, is not split."""
    single = model(0, 3).model_to_string()
    assert split_model(single, GATE, THRESHOLD) is None
    assert split_model(join_models(single, single, GATE, THRESHOLD), GATE, THRESHOLD + 1) is None
