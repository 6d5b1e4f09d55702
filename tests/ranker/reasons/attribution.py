"""Compares two methods that explain a model."""

from collections.abc import Sequence

import lightgbm
import numpy as np

from ranker.features import SCHEMA
from ranker.score import Model
from ranker.types import Float32Array, Float64Array


def exact_contributions(model: Model, features: Float32Array) -> Float64Array:
    """Return (n, len(SCHEMA) + 1): what each feature adds to the score of each row, and the mean of the trees.

    The trees are explained by exact SHAP; a feature of the base adds its weighted value.
    """
    booster = lightgbm.Booster(model_str=model.text)
    exact = np.asarray(booster.predict(features, pred_contrib=True, num_threads=1), dtype=np.float64)
    exact[:, : len(SCHEMA)] += np.nan_to_num(features) * model.base
    return exact


def agreement(model: Model, users: Sequence[Float32Array], count: int = 20) -> float:
    """Return the share of papers for which leaf table and exact SHAP name the same family first.

    Args:
        users: For each user the feature rows of all candidates.
        count: Number of first papers of each user that are compared.
    """
    same: list[bool] = []
    for features in users:
        leaves = model.leaves(features)
        first = np.argsort(-model.scores(features, leaves), kind="stable")[:count]
        exact = exact_contributions(model, features[first])
        families = np.stack([exact[:, SCHEMA.columns_of(name)].sum(axis=1) for name in SCHEMA.families], axis=1)
        found = model.contributions(features[first], leaves[:, first])
        same += (found.argmax(axis=1) == families.argmax(axis=1)).tolist()
    return float(np.mean(same))
