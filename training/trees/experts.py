"""Fits two rankers in one model: one for users whose likes have abstracts, one for users whose likes are titles alone.

The two need different features: abstracts share words where titles share none, and vectors of titles say less. All
candidates of a query are of one kind, so boosting never splits by kind (see ``training.trees.joined_trees``).
"""

from collections.abc import Sequence

import lightgbm
import numpy as np

from ranker.features import SCHEMA
from ranker.types import Float32Array, Float64Array
from training.data.rows import Rows
from training.progress import Progress
from training.recipes import Recipe
from training.trees.fit import Fitted, fit
from training.trees.joined_trees import join_models, split_model

GATE = "text_liked_terms"
GATE_TERMS = 80
"""Threshold on the mean number of distinct terms of the likes, pairs of words included.

Titles have about 11 terms and at most 32; abstracts have about 185, and few users' abstracts have less than 80. In
between, the ranker of titles is used, because it relies less on words.
"""
_COLUMN = SCHEMA.names.index(GATE)
_THRESHOLD = float(np.log1p(GATE_TERMS))


def fit_experts(train: Rows, held_out: Rows, recipe: Recipe, seed: int, progress: Progress) -> Fitted:
    """Fit both rankers as one model; a single ranker where either kind has too few queries.

    Raises:
        TrainingError: There are too few rows for a tree to split.
    """
    sides = [(side_of(train, abstracts=each), side_of(held_out, abstracts=each)) for each in (False, True)]
    if not are_two([len(learn.group_sizes) for learn, _ in sides], [stop for _, stop in sides], recipe):
        return fit(train, held_out, recipe, seed, progress)
    fitted = [fit(learn, stop, recipe, seed, progress) for learn, stop in sides]
    return join_experts(fitted, [stop for _, stop in sides])


def are_two(learned: Sequence[int], held_out: Sequence[Rows], recipe: Recipe) -> bool:
    """Return whether there are enough queries for a ranker of titles and one of abstracts.

    Args:
        learned: Number of queries of each kind to learn from.
        held_out: Rows of each kind for early stopping.
    """
    return min(learned) >= recipe.min_expert_queries and all(len(rows.group_sizes) for rows in held_out)


def side_of(rows: Rows, *, abstracts: bool) -> Rows:
    """Return the queries of one kind; queries without known words count as titles."""
    return rows.where(np.asarray((rows.features[rows.starts, _COLUMN] > _THRESHOLD) == abstracts))


def join_experts(fitted: Sequence[Fitted], held_out: Sequence[Rows]) -> Fitted:
    """Return the rankers of titles and of abstracts as one model.

    Args:
        held_out: The rows at which each was stopped.
    """
    text = join_models(fitted[0].text, fitted[1].text, _COLUMN, _THRESHOLD)
    # The weight of a side in the joint curve is the total weight of its queries.
    shares = np.array([float(rows.query_weights.sum()) for rows in held_out])
    length = max(len(one.curve) for one in fitted)
    # The nDCG of a side stays the same after its last tree.
    curves = [[one.curve[min(tree, one.tree_count - 1)] for tree in range(length)] for one in fitted]
    curve = shares @ np.array(curves) / shares.sum()
    return Fitted(text, tuple(curve.tolist()), max(one.tree_count for one in fitted))


def exact_contributions(model_text: str, features: Float32Array) -> Float64Array:
    """Return (n, len(SCHEMA) + 1) exact SHAP values and base score of each row, in the ranker that scores it."""
    sides = split_model(model_text, _COLUMN, _THRESHOLD)
    if sides is None:
        return _shap(model_text, features)
    out = np.empty((len(features), len(SCHEMA) + 1))
    by_abstracts = features[:, _COLUMN] > _THRESHOLD
    for side, rows in zip(sides, (~by_abstracts, by_abstracts), strict=True):
        if rows.any():
            out[rows] = _shap(side, features[rows])
    return out


def _shap(model_text: str, features: Float32Array) -> Float64Array:
    found = lightgbm.Booster(model_str=model_text).predict(features, pred_contrib=True, num_threads=1)
    return np.asarray(found, dtype=np.float64)
