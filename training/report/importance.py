"""Feature importance: LightGBM's gain in training, and SHAP values on held-out rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np

from ranker.features import SCHEMA
from ranker.score import Model
from ranker.spaces.statistics import spread
from ranker.types import Float32Array, Float64Array

_SAMPLE_ROWS = 2_000
"""Exact SHAP takes about two milliseconds a row."""


@dataclass(frozen=True)
class Importance:
    """Shares of features or of families that sum to 1; all zero if the model never splits.

    Attributes:
        names: (n,) names of features or families.
        gain: (n,) shares of the total gain of all splits.
        shap: (n,) shares of the mean absolute SHAP value; a family's value is the sum over its features.
    """

    names: tuple[str, ...]
    gain: Float64Array
    shap: Float64Array


def importances(model: Model, held_out: Sequence[Float32Array]) -> tuple[Importance, Importance]:
    """Return the importance by feature and by family. SHAP is that of the whole model, gain that of the trees.

    Args:
        held_out: For each data set (n, len(SCHEMA)) rows, at least one. Equally many of each are used, evenly spaced.
    """
    booster = lightgbm.Booster(model_str=model.text)
    count = max(_SAMPLE_ROWS // len(held_out), 1)
    shown = np.concatenate([rows[spread(len(rows), count)] for rows in held_out])
    gain = np.asarray(booster.feature_importance(importance_type="gain"), dtype=np.float64)
    # The last column is the base score.
    shap = np.asarray(booster.predict(shown, pred_contrib=True, num_threads=1), dtype=np.float64)[:, :-1]
    # The base is linear: a feature moves the score by its weight times its distance from the mean.
    known = np.nan_to_num(shown).astype(np.float64)
    shap += (known - known.mean(axis=0)) * model.base
    columns = [SCHEMA.columns_of(family) for family in SCHEMA.families]
    family_gain = np.array([gain[own].sum() for own in columns])
    family_shap = np.array([np.abs(shap[:, own].sum(axis=1)).mean() for own in columns])
    return (
        Importance(SCHEMA.names, _shares(gain), _shares(np.abs(shap).mean(axis=0))),
        Importance(SCHEMA.families, _shares(family_gain), _shares(family_shap)),
    )


def _shares(values: Float64Array) -> Float64Array:
    return values / max(float(values.sum()), 1e-12)
