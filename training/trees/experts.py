"""Two rankers in one model: one for readers whose likes are known by abstracts, one for those known by titles alone.

What counts differs between the two: abstracts share words where titles share none, and vectors of titles tell less.
Which kind a query is, all its candidates share, so boosting by itself never asks (see ``training.trees.joined_trees``).
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
"""Mean distinct terms of the likes, pairs of words included: titles have about 11, at most 32, abstracts about 185, and
those of few readers less than 80. Between them the ranker of titles serves: it asks less of words."""
_COLUMN = SCHEMA.names.index(GATE)
_THRESHOLD = float(np.log1p(GATE_TERMS))


def fit_experts(train: Rows, held_out: Rows, recipe: Recipe, seed: int, progress: Progress) -> Fitted:
    """Both rankers as one model; a single one where either kind has too few queries to learn from and to stop at.

    Raises:
        TrainingError: There are so few rows that no tree splits them.
    """
    sides = [(side_of(train, abstracts=each), side_of(held_out, abstracts=each)) for each in (False, True)]
    if not are_two([len(learn.group_sizes) for learn, _ in sides], [stop for _, stop in sides], recipe):
        return fit(train, held_out, recipe, seed, progress)
    fitted = [fit(learn, stop, recipe, seed, progress) for learn, stop in sides]
    return join_experts(fitted, [stop for _, stop in sides])


def are_two(learned: Sequence[int], held_out: Sequence[Rows], recipe: Recipe) -> bool:
    """Whether there are queries enough for a ranker of titles and one of abstracts.

    Args:
        learned: Queries of each kind to learn from.
        held_out: Rows of each kind to stop at.
    """
    return min(learned) >= recipe.min_expert_queries and all(len(rows.group_sizes) for rows in held_out)


def side_of(rows: Rows, *, abstracts: bool) -> Rows:
    """The queries of one kind; those whose words are unknown count among the titles."""
    starts = np.cumsum(rows.group_sizes) - rows.group_sizes
    return rows.where(np.asarray((rows.features[starts, _COLUMN] > _THRESHOLD) == abstracts))


def join_experts(fitted: Sequence[Fitted], held_out: Sequence[Rows]) -> Fitted:
    """The rankers of titles and of abstracts as one model.

    Args:
        held_out: What each was stopped at.
    """
    text = join_models(fitted[0].text, fitted[1].text, _COLUMN, _THRESHOLD)
    shares = np.array([_weight(rows) for rows in held_out])
    length = max(len(one.curve) for one in fitted)
    curves = [[_reached(one, tree) for tree in range(1, length + 1)] for one in fitted]
    curve = shares @ np.array(curves) / shares.sum()
    return Fitted(text, tuple(curve.tolist()), max(one.tree_count for one in fitted))


def exact_contributions(model_text: str, features: Float32Array) -> Float64Array:
    """(n, len(SCHEMA) + 1) exact SHAP values of each row in the ranker that scores it, and that one's base score."""
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


def _reached(one: Fitted, tree: int) -> float:
    """What a side has at that tree of the joined model: it stays as it is after its own last."""
    return one.curve[min(tree, one.tree_count) - 1]


def _weight(rows: Rows) -> float:
    """Of the queries, as the curve of both kinds together counts them."""
    starts = np.cumsum(rows.group_sizes) - rows.group_sizes
    return float(len(starts) if rows.weights is None else rows.weights[starts].sum())
