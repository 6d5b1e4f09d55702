"""A small report of training, made without a training run."""

import numpy as np

from ranker.bundle.manifest import Manifest
from ranker.features import SCHEMA
from tests.training.trees.builders import QUERIES, RECIPE, SIZE, rows
from training import TrainingReport
from training.account import Account, DataUsed
from training.progress import silent
from training.train import held_out_figures
from training.trees.fit import fit, lambdamart_params


def report_of_training() -> TrainingReport:
    """Return the report of a model for two data sets of random rows."""
    fitted = fit(rows(0), rows(1), RECIPE, 4, silent)
    data = tuple(_data_used(name, seed) for name, seed in (("dated", 2), ("undated", 3)))
    metrics = {used.name: held_out_figures(fitted, used.held_out) for used in data}
    manifest = Manifest.of(
        encoder_name="made-up",
        embedding_dim=12,
        feature_names=SCHEMA.names,
        schema_sha256=SCHEMA.sha256,
        base=fitted.base_weights,
        files={},
        recipe="tiny",
        fingerprint="f" * 64,
        created_at="2024-01-01T00:00:00+00:00",
        params={"seed": 4, "recipe": RECIPE.as_params(), "lightgbm": lambdamart_params(RECIPE, 4)},
        metrics=metrics,
    )
    seconds = {"spaces": 0.1, "factors": 0.2, "features": 0.3, "trees": 0.4}
    return TrainingReport(manifest, metrics, Account(data, fitted, 1_200, seconds))


def _data_used(name: str, seed: int) -> DataUsed:
    """Return a data set whose held-out queries all have a relevant candidate, two queries for each user."""
    found = rows(seed)
    held_out = found.where(found.relevant.reshape(QUERIES, SIZE).any(axis=1))
    users = np.arange(len(held_out.group_sizes)) // 2
    return DataUsed(name, f"{seed}" * 64, 400, 60, 900, QUERIES, held_out, users)
