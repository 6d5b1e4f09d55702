"""Measure learning from feedback on simulated users whose tastes and position bias are known.

    python -m benchmarks.quality.feedback --json

A real server serves digests with exploration to simulated users (``testing/simulated_clicks.py``), and they react.
Bundles are learned from the first part of the slates in four ways: with examination propensities estimated from
exploration (as ``paperfeed train --feedback`` does), with the true propensities, without debiasing, and with LightGBM's
``position`` field. The value of a bundle is the true number of reactions on unseen digests. Then IPS, SNIPS and DR
estimate the value of policies from the other slates. Over many small logs, the benchmark also counts how often their
intervals contain the truth.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

# Before the import of numpy, which reads them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm
import numpy as np

from benchmarks.figures import figure, report
from data_sets.slates import read_slates
from ranker.bundle.bundle import Bundle, load_bundle
from ranker.features import SCHEMA
from ranker.types import BoolArray, Float64Array
from service.storage import schema
from testing.bundles import write_tiny_bundle
from testing.click_log import attraction, made_up_log
from testing.feedback_loop import DAY, FIRST_DAY, SHOWN, run_loop, upvote_bundle
from testing.simulated_clicks import World
from training.feedback.examination import Examination, estimate_examination
from training.feedback.learn import learn_from_slates
from training.feedback.log import SlateLog
from training.feedback.off_policy import estimate_value, target_places
from training.recipes import find_recipe
from training.trees.fit import LABEL_GAIN, lambdamart_params

RECIPE = replace(find_recipe("default"), thread_count=1)
HELD_OUT = 8
"""One user in this many is held out for early stopping with the position field."""


def learned(log: SlateLog, base: Bundle, folder: Path, exponent: float) -> dict[str, Path]:
    """Learn a bundle in each way and return the folders by the name of the way."""
    ways: dict[str, float | None] = {"debiased": None, "debiased, true position bias": exponent, "not debiased": 0.0}
    found = {}
    for number, (name, position_bias) in enumerate(ways.items()):
        found[name] = folder / f"learned{number}"
        learn_from_slates(log, base, found[name], recipe=RECIPE, position_bias=position_bias)
    found["position field"] = by_position_field(log, base, folder / "position")
    return found


def by_position_field(log: SlateLog, base: Bundle, folder: Path) -> Path:
    """Learn a bundle with LightGBM's own unbiased lambdarank, one graded group for each slate."""
    held_out = log.users[log.slates] % HELD_OUT == 0
    params = {**lambdamart_params(replace(RECIPE, leaf_count=4), 0), "label_gain": list(LABEL_GAIN)}

    def data(chosen: BoolArray, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        rows = log.shown & chosen
        sizes = np.bincount(log.slates[rows])
        return lightgbm.Dataset(
            log.features[rows],
            log.grades[rows],
            group=sizes[sizes > 0],
            position=log.places[rows].astype(np.int32),
            reference=reference,
            feature_name=list(SCHEMA.names),
        )

    learn = data(~held_out)
    stop = lightgbm.early_stopping(RECIPE.early_stopping_rounds, verbose=False)
    booster = lightgbm.train(params, learn, RECIPE.tree_count, valid_sets=[data(held_out, learn)], callbacks=[stop])
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    write_tiny_bundle(folder, encoder_name=base.encoder_name, model_text=text)
    return folder


def with_interval(values: Float64Array) -> dict[str, float]:
    """Return the mean over users with its 95 % bootstrap interval."""
    drawn = np.random.default_rng(0).choice(values, (2_000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def judged(log: SlateLog, scores: Float64Array, attractions: Float64Array, exponent: float) -> dict[str, Any]:
    """Return the true value of a policy beside its estimates."""
    targets = target_places(log, scores)
    shown = targets <= SHOWN
    truth = float((targets[shown] ** -exponent * attractions[shown]).sum() / len(log))
    found = estimate_value(log, scores, estimate_examination(log))
    values = {name: value.as_dict() for name, value in found.values.items()}
    holds = {name: found.values[name].low <= truth <= found.values[name].high for name in ("ips", "snips", "dr")}
    return {
        "truth": round(truth, 4),
        "values": values,
        "holds": holds,
        "effective_slates": round(found.effective_slates, 1),
        "greatest_weight": round(found.greatest_weight, 1),
    }


def loop_at_size(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Serve, learn from the first slates, and estimate values from the others."""
    url = f"sqlite:///{folder / 'loop.db'}"
    schema.upgrade(url)
    served = upvote_bundle(folder / "served")
    world = World(seed=given.seed, exponent=given.exponent)
    loop = run_loop(url, served, world, given.users, given.digests, given.papers, given.exploration)
    base = load_bundle(served, encoder=None)
    until = (FIRST_DAY + given.learned_digests * DAY).timestamp()
    log = read_slates(url, base, until=until, shown_only=True)
    later = read_slates(url, base, since=until, shown_only=False)
    attractions = loop.attractions(until)
    folders = {"served": served} | learned(log, base, folder, given.exponent)
    values = {name: loop.values_of(path).mean(axis=0) for name, path in folders.items()}
    policies = {name: _scores(path, later) for name, path in folders.items() if name in {"served", "debiased"}}
    policies["newest first"] = -later.features[:, SCHEMA.names.index("recency_days")].astype(np.float64)
    return {
        "slates": {"learned": len(log), "judged": len(later)},
        "reactions_learned": int(log.reacted.sum()),
        "examination": {"truth": given.exponent, **vars(estimate_examination(log))},
        "true_reactions_per_slate": {name: with_interval(each) for name, each in values.items()}
        | {"best order there is": with_interval(loop.best_values().mean(axis=0))},
        "debiased_less": {
            name: with_interval(values["debiased"] - each) for name, each in values.items() if name != "debiased"
        },
        "off_policy": {name: judged(later, scores, attractions, given.exponent) for name, scores in policies.items()},
    }


def _scores(bundle: Path, log: SlateLog) -> Float64Array:
    model = load_bundle(bundle, encoder=None).model
    return model.scores(log.features, model.leaves(log.features))


def coverage(logs: int, exponent: float) -> dict[str, Any]:
    """Return how often 95 % intervals contain the truth, and the mean error of the estimates, over many small logs."""
    policies: dict[str, Callable[[SlateLog], Float64Array]] = {
        "best order": lambda log: log.features[:, 0].astype(np.float64),
        "any order": lambda log: np.random.default_rng(5).standard_normal(len(log.slates)),
    }
    held: dict[str, dict[str, list[float]]] = {name: {} for name in policies}
    for seed in range(logs):
        log = made_up_log(exponent=exponent, share=1.0, user_count=100, slate_count=10, seed=1_000 + seed)
        examination = estimate_examination(log)
        for name, policy in policies.items():
            result = _against_truth(log, policy(log), exponent, examination)
            for estimator, (holds, error) in result.items():
                held[name].setdefault(estimator, []).append(holds)
                held[name].setdefault(f"{estimator} error", []).append(error)
    return {
        name: {key: round(float(np.mean(values)), 4) for key, values in found.items()} for name, found in held.items()
    }


def _against_truth(
    log: SlateLog, scores: Float64Array, exponent: float, examination: Examination
) -> dict[str, tuple[float, float]]:
    targets = target_places(log, scores)
    shown = targets <= SHOWN
    truth = float((targets[shown] ** -exponent * attraction(log.features[shown])).sum() / len(log))
    values = estimate_value(log, scores, examination).values
    return {
        name: (float(values[name].low <= truth <= values[name].high), values[name].mean - truth)
        for name in ("ips", "snips", "dr")
    }


def main() -> int:
    """Print the figure; return 1 unless debiasing gains significantly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.feedback")
    parser.add_argument("--users", type=int, default=500, help="simulated users")
    parser.add_argument("--digests", type=int, default=36, help="digests that are sent")
    parser.add_argument("--learned-digests", type=int, default=18, help="digests that bundles are learned from")
    parser.add_argument("--papers", type=int, default=50, help="papers of each digest")
    parser.add_argument("--exploration", type=float, default=0.2, help="share of slates with exploration")
    parser.add_argument("--exponent", type=float, default=1.0, help="of the position bias")
    parser.add_argument("--coverage-logs", type=int, default=60, help="small logs for the coverage of intervals")
    parser.add_argument("--seed", type=int, default=7, help="seed of users and papers")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = loop_at_size(Path(folder), given)
    result["coverage"] = coverage(given.coverage_logs, given.exponent)
    gain = result["debiased_less"]["not debiased"]
    name = "true reactions per slate, debiased minus not debiased"
    found = figure(name, gain["mean"], interval=[gain["low"], gain["high"]])
    return report(
        [{**found, "budget": 0.0, "holds": gain["low"] > 0}],
        as_json=given.json,
        details=result,
        **{name: value for name, value in vars(given).items() if name != "json"},
        seconds=round(time.perf_counter() - began),
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


if __name__ == "__main__":
    sys.exit(main())
