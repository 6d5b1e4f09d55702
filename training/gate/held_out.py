"""Compares two bundles by an evaluation protocol, on data that neither of them was trained on."""

import datetime as dt

from ranker.bundle.bundle import Bundle
from training.checks import Check, Outcome
from training.data.snapshot import Dataset
from training.dates import day_of, day_seconds
from training.errors import EvaluationError
from training.evaluation import Plan, evaluate
from training.evaluation.ranker_system import NAME as RANKER
from training.evaluation.ranker_system import RIVAL
from training.gate.rules import HeldOutRules
from training.progress import Progress, silent
from training.provenance import known_until

NAME = "held-out data"
METRICS = {"weekly-digest": "ndcg@10", "cold-items": "ndcg@20"}
"""The metric that decides, by protocol."""


def first_unseen_day(*bundles: Bundle) -> dt.date:
    """Return the first whole day of which no bundle can know anything."""
    seen = max(known_until(bundle.manifest) for bundle in bundles)
    day = day_of(seen)
    return day if day_seconds(day) == seen else day + dt.timedelta(days=1)


def held_out_check(
    dataset: Dataset,
    plan: Plan,
    bundle: Bundle,
    serving: Bundle,
    rules: HeldOutRules,
    *,
    progress: Progress = silent,
) -> Check:
    """Run the protocol on both bundles and compare them on the same queries.

    Passed if the whole interval of the difference lies above the accepted loss, failed if it lies below, else
    inconclusive. Also inconclusive if the data do not suffice for the protocol, or too few users were tested.
    """
    if serving.encoder_name != bundle.encoder_name:
        reason = f"the serving bundle needs vectors of another encoder ({serving.encoder_name})"
        return Check(NAME, Outcome.INCONCLUSIVE, reason, required=rules.required)
    try:
        result = evaluate(
            dataset,
            plan,
            bundle=bundle,
            encoder_name=bundle.encoder_name,
            progress=progress,
            baselines=(),
            rival=serving,
        )
    except EvaluationError as error:
        return Check(NAME, Outcome.INCONCLUSIVE, str(error), required=rules.required)
    metric = METRICS[plan.protocol]
    found = result["paired"][RANKER][RIVAL][metric]
    means = {
        name: result["systems"][system][metric]["mean"] for name, system in (("bundle", RANKER), ("serving", RIVAL))
    }
    margin = rules.largest_loss * means["serving"]
    settings = result["settings"]
    figures = {
        "protocol": plan.protocol,
        "metric": metric,
        "means": means,
        "difference": {end: found[end] for end in ("mean", "low", "high")},
        "accepted_loss": round(margin, 6),
        "queries": result["queries"],
        "users": settings["readers_tested"],
        "from": settings["from"],
        "to": settings["to"],
        "data": settings["data"],
        "warnings": settings["warnings"],
    }
    words = (
        f"{metric} {means['bundle']:.4f}, serving {means['serving']:.4f}; "
        f"difference {found['mean']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"
    )
    if settings["readers_tested"] < rules.least_users:
        reason = f"{settings['readers_tested']} users were tested; {rules.least_users} are needed"
        return Check(NAME, Outcome.INCONCLUSIVE, reason, figures, rules.required)
    return interval_check(NAME, words, (found["low"], found["high"]), margin, figures, required=rules.required)


def interval_check(
    name: str,
    words: str,
    interval: tuple[float, float],
    margin: float,
    figures: dict[str, object],
    *,
    required: bool,
) -> Check:
    """Return the check of an interval of a difference against an accepted loss, ``margin``, 0 or more."""
    low, high = interval
    if low >= -margin:
        return Check(name, Outcome.PASSED, words, figures, required)
    if high < -margin:
        return Check(name, Outcome.FAILED, f"{words}: worse than the accepted loss of {margin:.4f}", figures, required)
    reason = f"{words}: too uncertain for the accepted loss of {margin:.4f}"
    return Check(name, Outcome.INCONCLUSIVE, reason, figures, required)
