"""Early stopping afterwards: cuts a model after the tree that is best for the held-out users.

LightGBM's early stopping needs all held-out rows in the process that grows the trees. Where several processes grow them
together, no process has all rows. Then the trees are grown to the recipe's count and cut afterwards.
"""

import lightgbm
import numpy as np

from ranker.score import base_scores
from ranker.types import Float32Array, Float64Array, IndexArray
from training.data.rows import Rows
from training.trees.fit import LABEL_GAIN, Fitted

PLACES = 10


def cut_at_best(model_text: str, base: Float32Array, held_out: Rows) -> Fitted:
    """Return the model up to its best tree by nDCG@10; of equally good trees the first.

    Args:
        base: Weights of the sum that the trees correct; see ``ranker.score.Model``.
    """
    booster = lightgbm.Booster(model_str=model_text)
    curve = _curve(booster, base, held_out)
    best = int(np.argmax(curve)) + 1
    return Fitted(booster.model_to_string(num_iteration=best), base, tuple(curve), best)


def _curve(booster: lightgbm.Booster, base: Float32Array, rows: Rows) -> list[float]:
    """Return nDCG@10 after each tree, as LightGBM computes it: a query without a positive grade has an nDCG of 1."""
    query = np.repeat(np.arange(len(rows.group_sizes)), rows.group_sizes)
    weights = rows.query_weights.astype(np.float64)
    gains = np.array(LABEL_GAIN)[rows.labels]
    ideal = _gained(gains, np.lexsort((-gains, query)), rows)
    scores = base_scores(rows.features, base)
    curve = []
    for tree in range(booster.current_iteration()):
        scores += booster.predict(rows.features, start_iteration=tree, num_iteration=1, raw_score=True, num_threads=1)
        gained = _gained(gains, np.lexsort((-scores, query)), rows)
        found = np.divide(gained, ideal, out=np.ones_like(gained), where=ideal > 0)
        curve.append(float(weights @ found / weights.sum()))
    return curve


def _gained(gains: Float64Array, order: IndexArray, rows: Rows) -> Float64Array:
    """Return the (queries,) discounted gains of the first places when the rows stand in ``order``."""
    places = np.arange(len(order)) - np.repeat(rows.starts, rows.group_sizes)
    discounts = np.where(places < PLACES, 1 / np.log2(places + 2), 0.0)
    return np.asarray(np.add.reduceat(gains[order] * discounts, rows.starts))
