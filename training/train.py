"""Training in one readable order: data sets, spaces, queries, rows, model, figures, bundle."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranker.bundle.bundle import write_bundle
from ranker.bundle.manifest import Manifest
from ranker.bundle.origin import taken_at_params
from training.account import Account, DataUsed, Timed
from training.calibration.held_out import NOT_CALIBRATED, Calibrated, calibrated
from training.data.rows import Rows, balanced, feature_rows
from training.data.snapshot import Dataset
from training.metrics import ndcg, recall, reciprocal_rank
from training.preparation import Prepared, Queries, prepare
from training.progress import Progress, silent
from training.recipes import Recipe, find_recipe
from training.trees.fit import Fitted, fit, lambdamart_params


@dataclass(frozen=True)
class TrainingReport:
    """The result of a training run.

    Attributes:
        metrics: Data set name to figures on the held-out users. Early stopping used these users, so the figures are
            slightly too good; ``training.evaluation`` measures without this bias.
        account: The content of the report page.
        lone_users: Names of the data sets in which one user alone has a history; see ``Prepared.lone_users``.
        calibrated: The calibration of the bundle, or why there is none.
    """

    manifest: Manifest
    metrics: Mapping[str, Mapping[str, float]]
    account: Account
    lone_users: tuple[str, ...] = ()
    calibrated: Calibrated = NOT_CALIBRATED


def train(
    datasets: Sequence[Dataset],
    out: Path,
    *,
    encoder_name: str,
    recipe: str | Recipe = "default",
    seed: int = 0,
    progress: Progress = silent,
) -> TrainingReport:
    """Train on the data sets and write the bundle to the folder ``out``.

    The same data, recipe and seed give the same files, except for created_at and taken_at in the manifest.

    Raises:
        TrainingError: No recipe has this name, or there is nothing to learn from.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    progress = timed = Timed(progress)
    rng = np.random.default_rng(seed)
    prepared = prepare(datasets, recipe, seed, rng, progress)
    papers = prepared.papers()

    def rows_of(queries: Queries, masking: Recipe | None) -> list[Rows]:
        return [
            feature_rows([(own, query) for query in part], masking, rng, progress)
            for own, part in zip(papers, queries, strict=True)
        ]

    train_rows = balanced(rows_of(prepared.learn, recipe), prepared.shares)
    check_rows = balanced(rows_of(prepared.held_out, recipe), prepared.shares)
    fitted = fit(train_rows, check_rows, recipe, seed, progress)
    made = Made(fitted, len(train_rows.features), prepared.held_out, rows_of(prepared.held_out, None))
    return publish(out, prepared, made, encoder_name=encoder_name, timed=timed)


@dataclass(frozen=True)
class Made:
    """A model, and the rows that measure it.

    Attributes:
        learned_rows: Number of feature rows that the trees were grown on.
        held_out: Queries of the held-out users.
        judged: Their rows by data set, nothing masked.
    """

    fitted: Fitted
    learned_rows: int
    held_out: Queries
    judged: Sequence[Rows]


def publish(
    out: Path,
    prepared: Prepared,
    made: Made,
    *,
    encoder_name: str,
    timed: Timed,
    params: Mapping[str, Any] | None = None,
) -> TrainingReport:
    """Measure the model, fit its calibration, and write the bundle.

    Args:
        params: Parameters for the manifest, beside the seed, the recipe and those of LightGBM.
    """
    datasets, recipe, seed = prepared.datasets, prepared.recipe, prepared.seed
    judged = zip(datasets, made.judged, strict=True)
    metrics = {dataset.name: held_out_figures(made.fitted, rows) for dataset, rows in judged}
    probable = calibrated(prepared, made.fitted.model, timed)
    manifest = write_bundle(
        out,
        model_text=made.fitted.text,
        base=made.fitted.base_weights,
        spaces=prepared.spaces.bundle,
        encoder_name=encoder_name,
        recipe=recipe.name,
        fingerprint=fingerprint_of(datasets),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params={
            "seed": seed,
            "recipe": recipe.as_params(),
            "lightgbm": lambdamart_params(recipe, seed),
            **taken_at_params({dataset.name: dataset.taken_at for dataset in datasets}),
            **(params or {}),
        },
        metrics=metrics,
        calibration=probable.calibration,
    )
    used = tuple(map(DataUsed.of, datasets, map(len, prepared.learn), made.held_out, made.judged))
    return TrainingReport(
        manifest,
        metrics,
        Account(used, made.fitted, made.learned_rows, timed.seconds()),
        prepared.lone_users,
        probable,
    )


def fingerprint_of(datasets: Sequence[Dataset]) -> str:
    """Return the SHA-256 of all data sets."""
    return hashlib.sha256("".join(dataset.fingerprint for dataset in datasets).encode()).hexdigest()


def held_out_figures(fitted: Fitted, rows: Rows) -> dict[str, float]:
    """Return a model's mean figures over queries, rounded so that they do not depend on the order of sums."""
    model = fitted.model
    hits = rows.hits(model.scores(rows.features, model.leaves(rows.features)))
    return {
        "queries": float(len(hits)),
        "ndcg@10": round(float(np.mean([ndcg(h, 10) for h in hits])), 4),
        "mrr": round(float(np.mean([reciprocal_rank(h) for h in hits])), 4),
        "recall@5": round(float(np.mean([recall(h, 5) for h in hits])), 4),
    }
