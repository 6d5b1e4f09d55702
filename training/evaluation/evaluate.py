"""Runs a protocol from data set to figures, in one readable order."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ranker.bundle.bundle import Bundle, load_bundle
from training.data.query_groups import Query
from training.data.snapshot import Dataset, check_limit, check_parts
from training.dates import END_OF_TIME, day_seconds
from training.errors import EvaluationError
from training.evaluation.baselines import BASELINES, Baseline
from training.evaluation.beyond_accuracy import Background, beyond_accuracy
from training.evaluation.comparison import Comparison, slices
from training.evaluation.corpus import Corpus, anonymous
from training.evaluation.plan import Plan, check
from training.evaluation.protocols import (
    MIN_LIKES,
    Round,
    cold_items,
    known_before,
    warm_part,
    weekly_digest,
    without_dates,
)
from training.evaluation.ranker_system import RankerSystem, as_baseline, variant_names
from training.evaluation.scoring import TOP, Answers, Recorder
from training.progress import Progress, silent
from training.recipes import find_recipe
from training.train import train


def evaluate(
    dataset: Dataset,
    plan: Plan,
    *,
    bundle: Bundle | None,
    encoder_name: str,
    progress: Progress = silent,
    baselines: Sequence[Baseline] = BASELINES,
    rival: Bundle | None = None,
) -> dict[str, Any]:
    """Run a protocol and return the result that ``paperfeed evaluate --json`` prints.

    Args:
        bundle: The bundle to judge; None trains one as the protocol allows.
        rival: Another bundle, judged on the same queries as one more baseline, ``ranker_system.RIVAL``.

    Raises:
        EvaluationError: The protocol cannot be run on the data; the message says what is missing.
        TrainingError: No bundle can be trained on the visible data.
    """
    durations: dict[str, float] = {}
    check_parts(dataset, dataset.papers.embeddings.shape[1])
    warnings = [*check(dataset, plan), *_doubts(plan, bundle)]
    shown = replace(dataset, papers=anonymous(dataset.papers))
    if plan.protocol == "cold-items":
        shown = without_dates(shown)
    if rival is not None:
        baselines = (*baselines, as_baseline(rival, shown.papers))
    rounds = _rounds(shown, plan)
    corpus = Corpus.of(shown.papers)
    recorder = Recorder(plan.protocol, corpus, baselines, progress, plan.workers)
    total = sum(len(this.queries) for this in rounds)
    versions: list[str] = []
    system = None if bundle is None else RankerSystem(bundle, shown.papers, plan.masked_families)
    for this in rounds:
        # Without a given bundle, cold-items trains one for each round, and weekly-digest one for all weeks.
        if system is None or (bundle is None and plan.protocol == "cold-items"):
            with _timed(durations, "training"):
                trained = _trained(shown, plan, this.seed, encoder_name, progress)
            system = RankerSystem(trained, shown.papers, plan.masked_families)
        versions += [system.version] if system.version not in versions[-1:] else []
        with _timed(durations, "scoring"):
            recorder.run(this, system, total)
    answers = recorder.answers()
    with _timed(durations, "summary"):
        result = _summary(answers, plan, Background.of(corpus, rounds[0].visible, dataset.likes))
    result["settings"] = {
        **_settings(dataset, plan, baselines, answers),
        "bundle": versions,
        "trained_here": bundle is None,
        "encoder": encoder_name,
        "warnings": [*warnings, *answers.warnings],
        "durations_seconds": durations,
    }
    return result


def _trained(dataset: Dataset, plan: Plan, seed: int, encoder_name: str, progress: Progress) -> Bundle:
    """Return a bundle that has seen only the data that the protocol allows."""
    if plan.protocol == "cold-items":
        visible, until = warm_part(dataset, seed), END_OF_TIME
    else:
        until = day_seconds(plan.first_day)
        visible = known_before(dataset, until)
        check_limit(dataset, visible, until)
    recipe = replace(find_recipe(plan.recipe), known_until=until).without(plan.train_without)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        train([visible], path, encoder_name=encoder_name, recipe=recipe, seed=seed, progress=progress)
        return load_bundle(path, encoder=encoder_name)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds spent in the context to those of the stage."""
    began = time.perf_counter()
    yield
    seconds[stage] = round(seconds.get(stage, 0.0) + time.perf_counter() - began, 2)


def _rounds(dataset: Dataset, plan: Plan) -> list[Round]:
    if plan.protocol == "cold-items":
        found = [cold_items(dataset, seed, group) for group, seed in enumerate(plan.seeds)]
    else:
        found = list(weekly_digest(dataset, plan.first_day, plan.last_day, plan.seeds[0]))
        if not found:
            raise EvaluationError(
                f"{dataset.name}: no user with {MIN_LIKES} or more earlier likes likes a paper of a week that begins "
                f"from {plan.first_day} to {plan.last_day}: no query in the range"
            )
    if plan.max_users is not None:
        found = _fewer_users(found, plan.max_users, plan.seeds[0])
    users = {query.user for this in found for query in this.queries}
    if len(users) < 2:
        raise EvaluationError(f"{dataset.name}: only one user has a long enough history; intervals need two")
    return found


def _fewer_users(rounds: list[Round], limit: int, seed: int) -> list[Round]:
    """Return the rounds with the queries of at most ``limit`` users, the same in every round."""
    users = np.unique([query.user for this in rounds for query in this.queries])
    kept = set(np.random.default_rng(seed).permutation(users)[:limit].tolist())

    def of_kept(queries: Sequence[Query]) -> tuple[Query, ...]:
        return tuple(query for query in queries if query.user in kept)

    fewer = [replace(this, queries=of_kept(this.queries)) for this in rounds]
    return [this for this in fewer if this.queries]


def _doubts(plan: Plan, bundle: Bundle | None) -> list[str]:
    """Return the reasons why a given bundle may look better than it is."""
    if bundle is None:
        return []
    if plan.protocol == "cold-items":
        return ["the bundle was given, not trained on the warm likes: it may have seen the cold ones"]
    until = bundle.manifest.params.get("recipe", {}).get("known_until")
    if isinstance(until, int | float) and until > day_seconds(plan.first_day):
        return [f"the bundle may know what is dated before {np.datetime64(int(until), 's')}, later than --from"]
    return []


def _summary(answers: Answers, plan: Plan, background: Background) -> dict[str, Any]:
    variants = variant_names(plan.masked_families)
    whole = Comparison.of(answers, variants)
    return {
        "protocol": plan.protocol,
        "queries": len(answers.users),
        "skipped": dict(answers.skipped),
        "systems": whole.systems(),
        "paired": whole.paired(),
        "slices": slices(answers, variants),
        "beyond_accuracy": {"top": TOP[plan.protocol], "systems": beyond_accuracy(answers, background)},
    }


def _settings(dataset: Dataset, plan: Plan, baselines: Sequence[Baseline], answers: Answers) -> dict[str, Any]:
    weekly = plan.protocol == "weekly-digest"
    return {
        "seeds": list(plan.seeds[:1] if weekly else plan.seeds),
        "from": plan.first_day.isoformat() if weekly else None,
        "to": plan.last_day.isoformat() if weekly else None,
        "recipe": plan.recipe,
        "masked_families": list(plan.masked_families),
        "trained_without": list(plan.train_without),
        "max_users": plan.max_users,
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "papers": len(dataset.papers),
            "likes": len(dataset.likes.users),
            "readers": len(np.unique(dataset.likes.users)),
        },
        "readers_tested": len(np.unique(answers.users)),
        "baselines": {baseline.name: dict(baseline.parameters) for baseline in baselines},
    }
