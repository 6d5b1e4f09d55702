"""Fits LambdaMART (Burges 2010) on feature rows: the same rows give the same bits."""

import re
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from ranker.features import SCHEMA
from ranker.score import Model, base_scores, read_model
from ranker.types import Float32Array, Float64Array
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
        text: The trees in LightGBM's text format, cut after the best tree.
        base: (len(SCHEMA),) weights of the sum that the trees correct.
        curve: nDCG@10 on the held-out users after each tree, also after the best one.
        tree_count: Trees in the model: the one-based number of the best tree.
    """

    text: str
    base: Float32Array
    curve: tuple[float, ...]
    tree_count: int

    @property
    def model(self) -> Model:
        """The model, ready to score."""
        return read_model(self.text, self.base, SCHEMA.family_of)

    @property
    def base_weights(self) -> dict[str, float]:
        """The base by name of feature, without zeros."""
        return {name: weight for name, weight in zip(SCHEMA.names, self.base.tolist(), strict=True) if weight}


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
    train: Rows, held_out: Rows, recipe: Recipe, seed: int, progress: Progress, *, grown_on: Model | None = None
) -> Fitted:
    """Fit a model, with early stopping by nDCG@10 on the held-out users.

    Args:
        grown_on: A model that the trees correct, and which becomes part of the result; None starts from the recipe's
            base alone.

    Raises:
        TrainingError: There are too few rows for a tree to split.
    """
    params = lambdamart_params(recipe, seed)
    names = list(SCHEMA.names)
    base = base_of(recipe) if grown_on is None else grown_on.base

    def start(features: Float32Array) -> Float64Array:
        """Return the scores that the trees correct."""
        return base_scores(features, base) if grown_on is None else grown_on.scores(features, grown_on.leaves(features))

    data = lightgbm.Dataset(
        train.features,
        train.labels,
        group=train.group_sizes,
        weight=train.weights,
        init_score=start(train.features),
        feature_name=names,
    )
    check = data.create_valid(
        held_out.features,
        held_out.labels,
        group=held_out.group_sizes,
        weight=held_out.weights,
        init_score=start(held_out.features),
    )

    def report(env: lightgbm.callback.CallbackEnv) -> None:
        progress("trees", env.iteration - env.begin_iteration + 1, recipe.tree_count)

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
    if not booster.feature_importance().any():
        size = f"{len(train.group_sizes)} queries with {len(train.labels)} candidates"
        raise TrainingError(f"{size} are too few to learn from: a leaf takes {recipe.min_leaf_rows} of them")
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    # LightGBM sets best_iteration to 0 where nothing stopped early.
    count = booster.best_iteration or booster.current_iteration()
    if grown_on is not None:
        text = joined(grown_on.text, text)
    return Fitted(text, base, tuple(evals["valid_0"]["ndcg@10"]), count)


def joined(first: str, second: str) -> str:
    """Return one model with the trees of two models in LightGBM's text format, which must have the same features."""
    head, *trees = first.split("\nTree=")
    trees[-1], tail = trees[-1].split("\nend of trees", 1)
    more = second.split("\nend of trees", 1)[0].split("\nTree=")[1:]
    blocks = [
        f"Tree={number}\n{block.split(chr(10), 1)[1].rstrip()}\n\n\n" for number, block in enumerate([*trees, *more])
    ]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head.rstrip()}\n\n{''.join(blocks)}end of trees{tail}"


def base_of(recipe: Recipe) -> Float32Array:
    """Return the recipe's base weights; (len(SCHEMA),) float32."""
    weights = dict(recipe.base)
    return np.array([weights.get(name, 0.0) for name in SCHEMA.names], dtype=np.float32)
