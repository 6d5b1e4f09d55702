"""Fits LambdaMART (Burges 2010) on feature rows: the same rows give the same bits."""

from dataclasses import dataclass
from typing import Any

import lightgbm

from ranker.features import SCHEMA
from training.data.rows import Rows
from training.errors import TrainingError
from training.progress import Progress
from training.recipes import Recipe

LABEL_GAIN = (0.0, 1 / 7, 3 / 7, 1.0)
"""The gain of each grade: LightGBM's own 2^grade - 1, scaled to 1 for a like.

Data of likes alone then give the same bits as binary labels.
"""


@dataclass(frozen=True)
class Fitted:
    """A model with its learning curve.

    Attributes:
        text: The model in LightGBM's text format, cut after the best tree.
        curve: nDCG@10 on the held-out users after each tree, also after the best one.
        tree_count: Trees in the model: the one-based number of the best tree.
    """

    text: str
    curve: tuple[float, ...]
    tree_count: int


def lambdamart_params(recipe: Recipe, seed: int) -> dict[str, object]:
    """Return LightGBM's parameters for the recipe."""
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
        "label_gain": list(LABEL_GAIN),
        "lambdarank_truncation_level": recipe.truncation_level,
        "num_leaves": recipe.leaf_count,
        "learning_rate": recipe.learning_rate,
        "min_data_in_leaf": recipe.min_leaf_rows,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "bagging_by_query": True,
        "lambda_l2": 1.0,
        "monotone_constraints": list(SCHEMA.directions),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": recipe.thread_count,
        "seed": seed,
        "verbose": -1,
    }


def fit(
    train: Rows, held_out: Rows, recipe: Recipe, seed: int, progress: Progress, *, grown_on: str | None = None
) -> Fitted:
    """Fit a model, with early stopping by nDCG@10 on the held-out users.

    Args:
        grown_on: Text of a model whose trees come first and stay as they are; None starts without trees.

    Raises:
        TrainingError: There are too few rows for a tree to split.
    """
    params = lambdamart_params(recipe, seed)
    names = list(SCHEMA.names)
    data = lightgbm.Dataset(
        train.features, train.labels, group=train.group_sizes, weight=train.weights, feature_name=names
    )
    check = data.create_valid(held_out.features, held_out.labels, group=held_out.group_sizes, weight=held_out.weights)

    def report(env: lightgbm.callback.CallbackEnv) -> None:
        progress("trees", env.iteration - env.begin_iteration + 1, recipe.tree_count)

    evals: dict[str, dict[str, Any]] = {}
    booster = lightgbm.train(
        params,
        data,
        num_boost_round=recipe.tree_count,
        init_model=None if grown_on is None else lightgbm.Booster(model_str=grown_on),
        valid_sets=[check],
        callbacks=[
            lightgbm.early_stopping(recipe.early_stopping_rounds, verbose=False),
            lightgbm.record_evaluation(evals),
            report,
        ],
    )
    if not booster.feature_importance().any():
        size = f"{len(train.group_sizes)} queries with {len(train.labels)} candidates"
        raise TrainingError(f"{size} are too few to learn from: a leaf takes {recipe.min_leaf_rows} of them")
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    # LightGBM sets best_iteration to 0 where nothing stopped early.
    return Fitted(text, tuple(evals["valid_0"]["ndcg@10"]), booster.best_iteration or booster.current_iteration())
