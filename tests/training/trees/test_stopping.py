from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from ranker.score import base_scores
from tests.training.trees.builders import RECIPE, rows
from training.data.rows import Rows
from training.progress import silent
from training.trees.fit import base_of, fit, lambdamart_params
from training.trees.stopping import cut_at_best

BASE = base_of(RECIPE)


def grown(learn: Rows, tree_count: int) -> str:
    """Return a model on the recipe's base without early stopping."""
    starts = base_scores(learn.features, BASE)
    data = lightgbm.Dataset(
        learn.features, learn.labels, group=learn.group_sizes, weight=learn.weights, init_score=starts
    )
    return lightgbm.train(lambdamart_params(RECIPE, 0), data, tree_count).model_to_string()


def with_grades(part: Rows) -> Rows:
    """Return the rows with all grades, with weights, and with a query without relevant candidates.

    LightGBM ignores the weight of such a query, so its weight is 1.
    """
    rng = np.random.default_rng(1)
    labels = np.where(part.labels > 0, rng.integers(1, 4, len(part.labels)), 0)
    labels[: int(part.group_sizes[0])] = 0
    empty = np.add.reduceat(labels, np.cumsum(part.group_sizes) - part.group_sizes) == 0
    weights = np.where(empty, 1.0, rng.random(len(part.group_sizes)) + 0.5)
    return replace(part, labels=labels, weights=np.repeat(weights, part.group_sizes).astype(np.float32))


@pytest.mark.parametrize("patience", [3, 40])
def test_cut_is_where_lightgbm_would_stop(patience: int) -> None:
    """A cut model has the trees and the curve of a model that LightGBM stopped early."""
    learn, held_out = with_grades(rows(0)), with_grades(rows(1))
    recipe = replace(RECIPE, tree_count=40, early_stopping_rounds=patience)
    stopped = fit(learn, held_out, recipe, 0, silent)

    cut = cut_at_best(grown(learn, len(stopped.curve)), BASE, held_out)

    assert cut.tree_count == stopped.tree_count
    assert cut.base_weights == stopped.base_weights == dict(RECIPE.base)
    assert cut.curve == pytest.approx(stopped.curve, abs=1e-7)
    trees = [text[text.index("Tree=0") : text.index("end of trees")] for text in (cut.text, stopped.text)]
    assert trees[0] == trees[1]


def test_queries_without_answers_count_as_right() -> None:
    """As in LightGBM, a query without relevant candidates has an nDCG of 1."""
    held_out = replace(rows(1), labels=np.zeros(len(rows(1).labels), dtype=np.intp))

    cut = cut_at_best(grown(rows(0), 5), BASE, held_out)

    assert cut.curve == (1.0,) * 5
    assert cut.tree_count == 1
