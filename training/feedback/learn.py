"""Trains a bundle on feedback: the spaces of the bundle that served, with trees fitted on the outcomes of its slates.

Features are used as logged, so no later information can leak in. Their meaning depends on the spaces of the serving
bundle, so the new bundle keeps these. Trees are grown twice: on top of the base's trees, which have seen more users
than any log, and from nothing. The model that ranks the held-out users better is kept.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ranker.bundle.bundle import Bundle, write_bundle
from ranker.bundle.manifest import Manifest
from ranker.bundle.origin import taken_at_params
from ranker.score import Model
from ranker.types import BoolArray, IndexArray
from training.dates import END_OF_TIME
from training.errors import TrainingError
from training.feedback.calibration import slate_calibration
from training.feedback.click_groups import ClickGroups, click_groups
from training.feedback.examination import Examination, estimate_examination
from training.feedback.log import SlateLog
from training.metrics import ndcg
from training.progress import Progress, silent
from training.provenance import KNOWN_UNTIL, LEARNED, known_until
from training.recipes import Recipe, find_recipe
from training.trees.fit import Fitted, fit, lambdamart_params

MOST_LEAVES, LEAST_LEAF_ROWS = 4, 100
"""Limits of the trees for every recipe. Some thousand reactions, whose weights differ up to twentyfold, are soon
overfitted. On 1,500 simulated slates, trees of 7 leaves with 20 rows lost half of the gain of debiasing.
"""


@dataclass(frozen=True)
class FeedbackReport:
    """The result of training on feedback.

    Attributes:
        grown_on_base: Whether the base's trees are part of the model.
        metrics: nDCG@10 of the new and the base's model on the reactions of held-out users, weighted as in training;
            and counts of slates, users and reactions.
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
    until: float = END_OF_TIME,
    position_bias: float | None = None,
    taken_at: str = "",
    progress: Progress = silent,
) -> FeedbackReport:
    """Train on the log and write the bundle to the folder ``out``.

    The same log, base, recipe and seed give the same files, except for created_at and taken_at in the manifest.

    Args:
        base: The bundle whose features the log holds.
        until: Unix seconds; the log holds nothing from then on. Kept in the manifest, so that the bundle can be judged
            on later data.
        position_bias: Exponent of the examination propensities; None estimates it from explored slates, 0 corrects
            nothing.
        taken_at: Time at which the log was read from a service, in RFC 3339; empty if it was not.

    Raises:
        TrainingError: There is nothing to learn from; the message says what is missing.
    """
    recipe = _careful(find_recipe(recipe) if isinstance(recipe, str) else recipe)
    check_reactions(log)
    examination = estimate_examination(log) if position_bias is None else Examination.given(position_bias)
    groups = click_groups(log, examination)
    learn, held_out, held_out_users = _split(groups, recipe, log, np.random.default_rng(seed))
    # The key says whether the base's trees come first. Of equally good models the first is kept.
    fitted: dict[bool, Fitted] = {}
    for on_base, model in ((True, base.model), (False, None)):
        try:
            fitted[on_base] = fit(learn.rows, held_out.rows, recipe, seed, progress, grown_on=model)
        except TrainingError:
            # No split helps, for example on a base whose weights are too large: trees may not lower them.
            if not on_base and not fitted:
                raise
    figures = {on_base: _held_out_ndcg(each.model, held_out) for on_base, each in fitted.items()}
    best = max(figures, key=lambda on_base: figures[on_base])
    calibration = slate_calibration(log, fitted[best].model, examination, held_out_users)
    metrics = {
        "slates": float(len(log)),
        "readers": float(log.user_count),
        "reactions": float(len(groups.users)),
        "held_out_reactions": float(len(held_out.users)),
        "ndcg@10": figures[best],
        "base_ndcg@10": _held_out_ndcg(base.model, held_out),
    }
    manifest = write_bundle(
        out,
        model_text=fitted[best].text,
        base=fitted[best].base_weights,
        spaces=base.spaces,
        encoder_name=base.encoder_name,
        recipe=LEARNED,
        fingerprint=hashlib.sha256(f"{base.version}{log.fingerprint}".encode()).hexdigest(),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params={
            "seed": seed,
            KNOWN_UNTIL: max(until, known_until(base.manifest)),
            "recipe": recipe.as_params(),
            "lightgbm": lambdamart_params(recipe, seed),
            "base": base.version,
            "grown_on_base": best,
            "examination": vars(examination),
            **taken_at_params({LEARNED: taken_at}),
        },
        metrics={LEARNED: metrics},
        calibration=calibration,
    )
    return FeedbackReport(manifest, examination, best, metrics)


def check_reactions(log: SlateLog) -> None:
    """Check that two or more users reacted.

    Raises:
        TrainingError: No user reacted, or only one.
    """
    users = np.unique(log.users[log.slates[log.reacted]])
    shown = f"{len(log)} slates were shown to {log.user_count} users"
    if not len(users):
        raise TrainingError(f"{shown}, and nobody liked, saved or clicked a paper of them")
    if len(users) < 2:
        raise TrainingError(
            f"{shown}, and only one of them reacted: some users are held out for early stopping, so two are needed; "
            "until then exploration teaches nothing: set PAPERFEED_EXPLORATION=0"
        )


def _careful(recipe: Recipe) -> Recipe:
    """Return the recipe with trees that suit few and noisy reactions, and without a base.

    The trees of the serving bundle come with its base. The others are free of both: on 2,880 simulated slates, trees
    that started from the base of public data reached 85 % of the best value, and trees from nothing 95 %.
    """
    leaf_count = min(recipe.leaf_count, MOST_LEAVES)
    return replace(recipe, base=(), leaf_count=leaf_count, min_leaf_rows=LEAST_LEAF_ROWS)


def _split(
    groups: ClickGroups, recipe: Recipe, log: SlateLog, rng: np.random.Generator
) -> tuple[ClickGroups, ClickGroups, IndexArray]:
    """Return the groups to learn from, those of the held-out users, and these users.

    Held out are also as many of the users who never reacted: probabilities of others alone would be too high.
    """
    users = rng.permutation(np.unique(groups.users))
    kept = users[: max(1, round(len(users) * recipe.held_out_share))]
    silent_users = rng.permutation(np.setdiff1d(log.users, users))
    others = silent_users[: round(len(silent_users) * recipe.held_out_share)]
    is_kept: BoolArray = np.isin(groups.users, kept)
    learn, held_out = groups.where(~is_kept), groups.where(is_kept)
    if not len(learn.users) or not len(held_out.users):
        raise TrainingError("two or more users must have reacted to slates of which two or more papers were shown")
    return learn, held_out, np.concatenate((kept, others))


def _held_out_ndcg(model: Model, groups: ClickGroups) -> float:
    """Return the weighted mean over groups, rounded so that it does not depend on the order of sums."""
    rows = groups.rows
    found = [ndcg(hits, 10) for hits in rows.hits(model.scores(rows.features, model.leaves(rows.features)))]
    return round(float(np.average(found, weights=rows.query_weights)), 4)
