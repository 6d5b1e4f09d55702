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
from ranker.spaces import Spaces
from training.errors import TrainingError
from training.fit import fit, lambdamart_params
from training.metrics import best_first_hits, ndcg, recall, reciprocal_rank
from training.query_groups import Query, queries_of
from training.recipes import Recipe, find_recipe
from training.rows import DatasetMatrices, Progress, Rows, feature_rows
from training.snapshot import Dataset, check_dataset
from training.space_fitting import fit_spaces


@dataclass(frozen=True)
class TrainingReport:
    """What came out of a training run.

    Attributes:
        metrics: Data set name to figures on readers that were held out (they stopped the training, so the figures are
            slightly too good; the protocols in evaluation are the judges).
    """

    manifest: Manifest
    metrics: Mapping[str, Mapping[str, float]]


def train(
    datasets: Sequence[Dataset],
    out: Path,
    *,
    encoder_name: str,
    recipe: str | Recipe = "default",
    seed: int = 0,
    progress: Progress = lambda _what, _done, _total: None,
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
    progress("spaces", 0, 1)
    spaces = fit_spaces(known, recipe.whitening_damping, recipe.topic_count)
    matrices = _matrices(known, spaces, recipe)
    learn, held_out = _split_queries(known, matrices, recipe, rng)
    train_rows = feature_rows([pair for part in learn for pair in part], recipe, rng, progress)
    check_rows = [feature_rows(part, recipe, rng, progress) for part in held_out]
    text = fit(train_rows, _joined(check_rows), recipe, seed, progress)
    metrics = {
        dataset.name: _figures(text, feature_rows(part, None, rng, progress))
        for dataset, part in zip(known, held_out, strict=True)
    }
    manifest = write_bundle(
        out,
        model_text=text,
        spaces=spaces,
        encoder_name=encoder_name,
        recipe=recipe.name,
        fingerprint=hashlib.sha256("".join(dataset.fingerprint for dataset in known).encode()).hexdigest(),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params={"seed": seed, "recipe": recipe.as_params(), "lightgbm": lambdamart_params(recipe, seed)},
        metrics=metrics,
    )
    return TrainingReport(manifest, metrics)


def _matrices(datasets: Sequence[Dataset], spaces: Spaces, recipe: Recipe) -> list[DatasetMatrices]:
    """Each data set in the bundle's spaces and in those of the other data sets."""
    found = []
    for dataset in datasets:
        others = [other for other in datasets if other is not dataset]
        foreign = fit_spaces(others, recipe.whitening_damping, recipe.topic_count) if others else None
        found.append(DatasetMatrices(dataset, spaces, foreign))
    return found


_Queries = list[tuple[DatasetMatrices, Query]]


def _split_queries(
    datasets: Sequence[Dataset], matrices: Sequence[DatasetMatrices], recipe: Recipe, rng: np.random.Generator
) -> tuple[list[_Queries], list[_Queries]]:
    """Queries for each data set: of readers to learn from, and of readers to stop at."""
    learn: list[_Queries] = []
    held_out: list[_Queries] = []
    for dataset, own in zip(datasets, matrices, strict=True):
        queries = queries_of(dataset, recipe, rng)
        readers = rng.permutation(np.unique([query.reader for query in queries]))
        kept = set(readers[: max(1, round(len(readers) * recipe.held_out_share))].tolist())
        learn.append([(own, query) for query in queries if query.reader not in kept])
        held_out.append([(own, query) for query in queries if query.reader in kept])
        if not learn[-1] or not held_out[-1]:
            raise TrainingError(f"{dataset.name}: too few readers whose likes can be asked for")
    return learn, held_out


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.relevant for part in parts]),
        np.concatenate([part.group_sizes for part in parts]),
    )


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
