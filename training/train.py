"""The whole of training: snapshot, spaces, queries, rows, model, figures, bundle."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ranker.bundle import write_bundle
from ranker.features import SCHEMA
from ranker.manifest import Manifest
from ranker.score import read_model
from training.account import Account, DataUsed, Timed
from training.cross_fitting import Folds, split_likes
from training.errors import TrainingError
from training.experts import fit_experts
from training.fit import lambdamart_params
from training.learned_spaces import learn_spaces
from training.metrics import best_first_hits, ndcg, recall, reciprocal_rank
from training.progress import Progress, silent
from training.query_groups import Query, lack_of_queries, queries_of
from training.recipes import Recipe, find_recipe
from training.rows import DatasetMatrices, Rows, balanced, feature_rows
from training.snapshot import Dataset, check_dataset


@dataclass(frozen=True)
class TrainingReport:
    """What came out of a training run.

    Attributes:
        metrics: Data set name to figures on readers that were held out (they stopped the training, so the figures are
            slightly too good; the protocols in evaluation are the judges).
        account: What ``training.report`` shows.
    """

    manifest: Manifest
    metrics: Mapping[str, Mapping[str, float]]
    account: Account


def train(
    datasets: Sequence[Dataset],
    out: Path,
    *,
    encoder_name: str,
    recipe: str | Recipe = "default",
    seed: int = 0,
    progress: Progress = silent,
) -> TrainingReport:
    """Trains on the data sets and publishes the bundle to the folder ``out``.

    The same data, recipe and seed give the same files, except for created_at in the manifest.

    Raises:
        TrainingError: No recipe of that name, or nothing to learn from.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    known = [dataset.before(recipe.known_until) for dataset in datasets]
    if not known:
        raise TrainingError("no data sets were given")
    for dataset in known:
        check_dataset(dataset, known[0].papers.embeddings.shape[1])
    rng = np.random.default_rng(seed)
    progress = timed = Timed(progress)
    folds = [split_likes(dataset, recipe.fold_count, rng) for dataset in known]
    progress("spaces", 0, 1)
    spaces = learn_spaces(known, folds, recipe, seed, progress)
    matrices = [
        DatasetMatrices(dataset, spaces.folds, foreign) for dataset, foreign in zip(known, spaces.foreign, strict=True)
    ]
    learn, held_out = _split_queries(known, folds, matrices, recipe, rng)
    shares = [recipe.dated_weight if dataset.dated else 1.0 for dataset in known]
    train_rows = balanced([feature_rows(part, recipe, rng, progress) for part in learn], shares)
    check_rows = balanced([feature_rows(part, recipe, rng, progress) for part in held_out], shares)
    fitted = fit_experts(train_rows, check_rows, recipe, seed, progress)
    judged = [feature_rows(part, None, rng, progress) for part in held_out]
    metrics = {dataset.name: _figures(fitted.text, rows) for dataset, rows in zip(known, judged, strict=True)}
    manifest = write_bundle(
        out,
        model_text=fitted.text,
        spaces=spaces.bundle,
        encoder_name=encoder_name,
        recipe=recipe.name,
        fingerprint=hashlib.sha256("".join(dataset.fingerprint for dataset in known).encode()).hexdigest(),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params={"seed": seed, "recipe": recipe.as_params(), "lightgbm": lambdamart_params(recipe, seed)},
        metrics=metrics,
    )
    used = tuple(map(DataUsed.of, known, map(len, learn), held_out, judged))
    return TrainingReport(manifest, metrics, Account(used, fitted, len(train_rows.features), timed.seconds()))


_Queries = list[tuple[DatasetMatrices, Query]]


def _split_queries(
    datasets: Sequence[Dataset],
    folds: Sequence[Folds],
    matrices: Sequence[DatasetMatrices],
    recipe: Recipe,
    rng: np.random.Generator,
) -> tuple[list[_Queries], list[_Queries]]:
    """Queries for each data set: of readers to learn from, and of readers to stop at."""
    learn: list[_Queries] = []
    held_out: list[_Queries] = []
    for dataset, part, own in zip(datasets, folds, matrices, strict=True):
        queries = queries_of(dataset, part, recipe, rng)
        readers = rng.permutation(np.unique([query.reader for query in queries]))
        kept = set(readers[: max(1, round(len(readers) * recipe.held_out_share))].tolist())
        learn.append([(own, query) for query in queries if query.reader not in kept])
        held_out.append([(own, query) for query in queries if query.reader in kept])
        if not learn[-1] or not held_out[-1]:
            raise TrainingError(f"{dataset.name}: {lack_of_queries(dataset)}")
    return learn, held_out


def _figures(model_text: str, rows: Rows) -> dict[str, float]:
    """Means over queries, rounded so that a figure's last bits do not depend on the order of sums."""
    model = read_model(model_text, SCHEMA.family_of)
    scores = model.scores(model.leaves(rows.features))
    stops = np.cumsum(rows.group_sizes)
    hits = [
        best_first_hits(scores[stop - size : stop], rows.relevant[stop - size : stop])
        for stop, size in zip(stops, rows.group_sizes, strict=True)
    ]
    return {
        "queries": float(len(hits)),
        "ndcg@10": round(float(np.mean([ndcg(h, 10) for h in hits])), 4),
        "mrr": round(float(np.mean([reciprocal_rank(h) for h in hits])), 4),
        "recall@5": round(float(np.mean([recall(h, 5) for h in hits])), 4),
    }
