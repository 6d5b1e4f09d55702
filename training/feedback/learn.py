"""A bundle from feedback: the spaces of the one that served, trees that have seen what readers did with its slates.

Features are taken as logged, so nothing is computed anew and nothing that came later can leak in; but they mean what
the serving bundle's spaces make them mean, and the new bundle keeps these. Its trees are grown on top of the base's,
which have seen more readers than any log, and also all anew; of the two, those are kept that rank the held-out
readers better.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ranker.bundle.bundle import Bundle, write_bundle
from ranker.bundle.manifest import Manifest
from ranker.features import SCHEMA
from ranker.score import read_model
from ranker.types import Float64Array
from training.errors import TrainingError
from training.feedback.click_groups import ClickGroups, click_groups, part_of
from training.feedback.examination import Examination, estimate_examination
from training.feedback.log import SlateLog
from training.metrics import best_first_hits, ndcg
from training.progress import Progress, silent
from training.recipes import Recipe, find_recipe
from training.trees.fit import fit, lambdamart_params

LEARNED = "feedback"
"""Begins the version of bundles made here."""
MOST_LEAVES, LEAST_LEAF_ROWS = 4, 100
"""Trees are kept this small whatever the recipe: some thousand reactions, each weighing up to twenty times another, are
soon learned by heart. On made-up readers, 1,500 slates, trees of 7 leaves with 20 rows lost half of what debiasing won.
"""


@dataclass(frozen=True)
class FeedbackReport:
    """What came out.

    Attributes:
        grown_on_base: Whether the base's trees are part of the model.
        metrics: nDCG@10 of the reactions of readers held out, each weighted as in training, by the new model and the
            base's; and the counts of what was learned from.
    """

    manifest: Manifest
    examination: Examination
    grown_on_base: bool
    metrics: Mapping[str, float]


def learn_from_slates(
    log: SlateLog,
    base: Bundle,
    out: Path,
    *,
    recipe: str | Recipe = "default",
    seed: int = 0,
    position_bias: float | None = None,
    grow_on_base: bool | None = None,
    progress: Progress = silent,
) -> FeedbackReport:
    """Trains on the log and publishes the bundle to the folder ``out``.

    The same log, base, recipe and seed give the same files, except for created_at in the manifest.

    Args:
        base: The bundle whose features the log holds.
        position_bias: Exponent of the examination propensities; None estimates it from explored slates, 0 takes
            reactions at face value.
        grow_on_base: Whether the base's trees come first; None tries both and takes the better.

    Raises:
        TrainingError: There is nothing to learn from; the message says what is missing.
    """
    recipe = _careful(find_recipe(recipe) if isinstance(recipe, str) else recipe)
    check_reactions(log)
    examination = estimate_examination(log) if position_bias is None else Examination.given(position_bias)
    groups = click_groups(log, examination)
    learn, held_out = _split(groups, recipe, np.random.default_rng(seed))
    starts = {None: (True, False), True: (True,), False: (False,)}[grow_on_base]
    fitted = {
        start: fit(learn.rows, held_out.rows, recipe, seed, progress, grown_on=base.model.text if start else None)
        for start in starts
    }
    figures = {start: _held_out_ndcg(each.text, held_out) for start, each in fitted.items()}
    best = max(starts, key=lambda start: figures[start])
    metrics = {
        "slates": float(len(log)),
        "readers": float(log.user_count),
        "reactions": float(len(groups.users)),
        "held_out_reactions": float(len(held_out.users)),
        "ndcg@10": figures[best],
        "base_ndcg@10": _held_out_ndcg(base.model.text, held_out),
    }
    manifest = write_bundle(
        out,
        model_text=fitted[best].text,
        spaces=base.spaces,
        encoder_name=base.encoder_name,
        recipe=LEARNED,
        fingerprint=hashlib.sha256(f"{base.version}{log.fingerprint}".encode()).hexdigest(),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params={
            "seed": seed,
            "recipe": recipe.as_params(),
            "lightgbm": lambdamart_params(recipe, seed),
            "base": base.version,
            "grown_on_base": best,
            "examination": vars(examination),
        },
        metrics={LEARNED: metrics},
    )
    return FeedbackReport(manifest, examination, best, metrics)


def check_reactions(log: SlateLog) -> None:
    """Checks that somebody reacted to something.

    Raises:
        TrainingError: Nobody did, or one reader alone.
    """
    users = np.unique(log.users[log.slates[log.reacted]])
    shown = f"{len(log)} slates were shown to {log.user_count} readers"
    if not len(users):
        raise TrainingError(f"{shown}, and nobody liked, saved or clicked any paper of them")
    if len(users) < 2:
        raise TrainingError(f"{shown}, and one reader alone reacted: some are kept apart to stop at, so two are needed")


def _careful(recipe: Recipe) -> Recipe:
    """The recipe with trees fit for few and noisy reactions."""
    leaf_count = min(recipe.leaf_count, MOST_LEAVES)
    return replace(recipe, leaf_count=leaf_count, min_leaf_rows=max(recipe.min_leaf_rows, LEAST_LEAF_ROWS))


def _split(groups: ClickGroups, recipe: Recipe, rng: np.random.Generator) -> tuple[ClickGroups, ClickGroups]:
    """Groups to learn from, and those of readers to stop at."""
    users = rng.permutation(np.unique(groups.users))
    kept = users[: max(1, round(len(users) * recipe.held_out_share))]
    is_kept = np.isin(groups.users, kept)
    learn, held_out = (part_of(groups, np.flatnonzero(each)) for each in (~is_kept, is_kept))
    if not len(learn.users) or not len(held_out.users):
        raise TrainingError("two or more readers must have reacted to slates of which two or more papers were shown")
    return learn, held_out


def _held_out_ndcg(model_text: str, groups: ClickGroups) -> float:
    """Weighted mean over groups, rounded so that its last bits do not depend on the order of sums."""
    rows = groups.rows
    model = read_model(model_text, SCHEMA.family_of)
    scores: Float64Array = model.scores(model.leaves(rows.features))
    stops = np.cumsum(rows.group_sizes)
    spans = [slice(stop - size, stop) for stop, size in zip(stops.tolist(), rows.group_sizes.tolist(), strict=True)]
    found = [ndcg(best_first_hits(scores[span], rows.relevant[span]), 10) for span in spans]
    weights = None if rows.weights is None else rows.weights[stops - 1]
    return round(float(np.average(found, weights=weights)), 4)
