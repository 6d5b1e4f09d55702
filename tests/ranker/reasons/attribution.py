"""How often two ways to explain one model agree."""

from collections.abc import Sequence

import numpy as np

from ranker.features import SCHEMA
from ranker.score import Model
from ranker.types import Float32Array
from training.trees.experts import exact_contributions


def agreement(model: Model, users: Sequence[Float32Array], count: int = 20) -> float:
    """The leaf table against exact SHAP, over the first papers of several readers.

    Args:
        users: For each the feature rows of all candidates.

    Returns:
        The share of papers for which both name the same family first.
    """
    same: list[bool] = []
    for features in users:
        leaves = model.leaves(features)
        first = np.argsort(-model.scores(leaves), kind="stable")[:count]
        exact = exact_contributions(model.text, features[first])
        families = np.stack([exact[:, SCHEMA.columns_of(name)].sum(axis=1) for name in SCHEMA.families], axis=1)
        same += (model.contributions(leaves[first]).argmax(axis=1) == families.argmax(axis=1)).tolist()
    return float(np.mean(same))
