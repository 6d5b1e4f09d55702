"""LambdaMART (Burges 2010) on feature rows, the same bits for the same rows."""

from dataclasses import dataclass
from typing import Any

import lightgbm

from ranker.features import SCHEMA
from training.progress import Progress
from training.recipes import Recipe
from training.rows import Rows


@dataclass(frozen=True)
class Fitted:
    """A model, and how it came to be.

    Attributes:
        text: LightGBM's text format, stopped at the best tree.
        curve: nDCG@10 on the held-out readers after each tree, those beyond the best included.
        tree_count: Trees in the model; 1-based number of the best one.
    """

    text: str
    curve: tuple[float, ...]
    tree_count: int


def lambdamart_params(recipe: Recipe, seed: int) -> dict[str, object]:
    """LightGBM's parameters."""
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
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


def fit(train: Rows, held_out: Rows, recipe: Recipe, seed: int, progress: Progress) -> Fitted:
    """A model, stopped where the held-out readers' nDCG@10 no longer grows."""
    params = lambdamart_params(recipe, seed)
    names = list(SCHEMA.names)
    data = lightgbm.Dataset(
        train.features,
        train.relevant.astype(int),
        group=train.group_sizes,
        weight=train.weights,
        feature_name=names,
    )
    check = data.create_valid(
        held_out.features, held_out.relevant.astype(int), group=held_out.group_sizes, weight=held_out.weights
    )

    def report(env: lightgbm.callback.CallbackEnv) -> None:
        progress("trees", env.iteration + 1, recipe.tree_count)

    evals: dict[str, dict[str, Any]] = {}
    booster = lightgbm.train(
        params,
        data,
        num_boost_round=recipe.tree_count,
        valid_sets=[check],
        callbacks=[
            lightgbm.early_stopping(recipe.early_stopping_rounds, verbose=False),
            lightgbm.record_evaluation(evals),
            report,
        ],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    # LightGBM gives 0 where nothing stopped early.
    return Fitted(text, tuple(evals["valid_0"]["ndcg@10"]), booster.best_iteration or booster.current_iteration())
