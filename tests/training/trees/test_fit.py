from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from ranker.features import SCHEMA
from training.data.rows import Rows
from training.data.snapshot import CLICKED, LIKED, SAVED
from training.errors import TrainingError
from training.progress import silent
from training.recipes import find_recipe
from training.trees.fit import LABEL_GAIN, fit, lambdamart_params

RECIPE = replace(find_recipe("tiny"), tree_count=8)


def rows(seed: int, grades: tuple[int, ...] = (LIKED,)) -> Rows:
    """Return queries in which the first feature decides the relevance, with these grades in turn."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((600, len(SCHEMA))).astype(np.float32)
    relevant = features[:, 0] > 0.8
    labels = np.where(relevant, np.resize(grades, 600), 0)
    return Rows(features, labels, np.full(30, 20, np.int32))


def trees(train: Rows, held_out: Rows) -> str:
    """Return the trees of the fitted model, without its parameters."""
    return fit(train, held_out, RECIPE, 0, silent).text.partition("parameters:")[0]


def test_likes_alone_train_as_binary_labels_do() -> None:
    """Data of likes alone give the trees of binary labels, bit for bit."""
    params = {name: value for name, value in lambdamart_params(RECIPE, 0).items() if name != "label_gain"}
    one, other = rows(0), rows(1)
    data = lightgbm.Dataset(one.features, one.labels > 0, group=one.group_sizes, feature_name=list(SCHEMA.names))
    check = data.create_valid(other.features, other.labels > 0, group=other.group_sizes)
    stop = lightgbm.early_stopping(RECIPE.early_stopping_rounds, verbose=False)
    binary = lightgbm.train(params, data, RECIPE.tree_count, valid_sets=[check], callbacks=[stop])
    text = binary.model_to_string(num_iteration=binary.best_iteration)
    assert text.partition("parameters:")[0] == trees(one, other)


def test_grades_matter() -> None:
    """Gains grow with the grade, and other grades give other trees."""
    assert list(LABEL_GAIN) == sorted(LABEL_GAIN)
    assert trees(rows(0, (LIKED, SAVED, CLICKED)), rows(1)) != trees(rows(0), rows(1))


def test_too_few_rows() -> None:
    """Too few rows for a tree to split raise an error."""
    few = Rows(rows(0).features[:20], rows(0).labels[:20], np.array([20], np.int32))
    with pytest.raises(TrainingError, match="1 queries with 20 candidates are too few"):
        fit(few, few, RECIPE, 0, silent)
