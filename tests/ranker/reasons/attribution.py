"""Compares two methods that explain a model."""

from collections.abc import Sequence

import lightgbm
import numpy as np

from ranker.features import SCHEMA
from ranker.score import Model
from ranker.types import Float32Array


def agreement(model: Model, users: Sequence[Float32Array], count: int = 20) -> float:
    """Return the share of papers for which leaf table and exact SHAP name the same family first.

    Args:
        users: For each user the feature rows of all candidates.
        count: Number of first papers of each user that are compared.
    """
    booster = lightgbm.Booster(model_str=model.text)
    same: list[bool] = []
    for features in users:
        leaves = model.leaves(features)
        first = np.argsort(-model.scores(leaves), kind="stable")[:count]
        exact = np.asarray(booster.predict(features[first], pred_contrib=True))
        families = np.stack([exact[:, SCHEMA.columns_of(name)].sum(axis=1) for name in SCHEMA.families], axis=1)
        same += (model.contributions(leaves[first]).argmax(axis=1) == families.argmax(axis=1)).tolist()
    return float(np.mean(same))
