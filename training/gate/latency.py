"""Times a bundle against the serving one: both rank the same papers for the same users, in turn, in one process."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.pipeline import rank
from ranker.types import Float64Array
from training.checks import Check, Outcome
from training.gate.rules import LatencyRules
from training.gate.workload import AS_OF, made_up_papers, profiles
from training.progress import Progress, silent

CANDIDATE_COUNTS = (77, 2_000)
_USERS = 8
_WARM_UP = 3
_SLATE = 20
_DIVERSITY = 0.1

Ranking = Callable[[int], object]
"""Ranks for the user of this number."""


def latency_checks(bundle: Bundle, serving: Bundle, rules: LatencyRules, progress: Progress = silent) -> list[Check]:
    """Return one check for each number of candidates."""
    found = []
    for number, count in enumerate(CANDIDATE_COUNTS):
        progress("timing", number, len(CANDIDATE_COUNTS))
        ratios, seconds = paired_times(_ranking(bundle, count), _ranking(serving, count), rules.rounds)
        found.append(judged(f"latency of {count:,} candidates", ratios, seconds, rules))
    return found


def paired_times(new: Ranking, old: Ranking, rounds: int) -> tuple[Float64Array, tuple[float, float]]:
    """Return (rounds,) ratios of the times of one round, new to old, and the median seconds of both.

    Both rank for the same user in each round, and take turns in being first. So a busy machine slows both.
    """
    times = np.empty((rounds, 2))
    for round_number in range(-_WARM_UP, rounds):
        user = round_number % _USERS
        order = ((0, new), (1, old)) if round_number % 2 else ((1, old), (0, new))
        for column, ranking in order:
            began = time.perf_counter()
            ranking(user)
            times[max(round_number, 0), column] = time.perf_counter() - began
    medians = np.median(times, axis=0)
    return times[:, 0] / times[:, 1], (float(medians[0]), float(medians[1]))


def judged(name: str, ratios: Float64Array, seconds: tuple[float, float], rules: LatencyRules) -> Check:
    """Return the check of the median ratio, whose 95 % interval comes from the order of the ratios alone."""
    low, high = median_interval(ratios)
    figures: dict[str, Any] = {
        "ratio": round(float(np.median(ratios)), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "largest_ratio": rules.largest_ratio,
        "milliseconds": {"bundle": round(1000 * seconds[0], 3), "serving": round(1000 * seconds[1], 3)},
    }
    words = f"{figures['ratio']:.2f} times the serving bundle's time ({low:.2f} to {high:.2f})"
    if low > rules.largest_ratio:
        return Check(name, Outcome.FAILED, f"{words}; {rules.largest_ratio:g} is accepted", figures, rules.required)
    if high > rules.largest_ratio:
        reason = f"{words}: too uncertain for the limit of {rules.largest_ratio:g}"
        return Check(name, Outcome.INCONCLUSIVE, reason, figures, rules.required)
    return Check(name, Outcome.PASSED, words, figures, rules.required)


def median_interval(values: Sequence[float] | Float64Array) -> tuple[float, float]:
    """Return a 95 % interval of the median: two of the sorted values, by the normal limit of the binomial.

    No shape of the distribution is assumed. With fewer than six values the interval has no limits.
    """
    ordered, count = np.sort(np.asarray(values, dtype=np.float64)), len(values)
    below = math.floor((count - 1.96 * math.sqrt(count)) / 2)
    if count < 6:
        return -math.inf, math.inf
    return float(ordered[max(below - 1, 0)]), float(ordered[min(count - below, count - 1)])


def _ranking(bundle: Bundle, count: int) -> Ranking:
    matrix = bundle.spaces.matrix(made_up_papers(count, bundle.spaces.embedding_dim, 2))
    users = profiles(bundle, _USERS)
    return lambda user: rank(bundle, users[user], matrix, AS_OF, diversity=_DIVERSITY, limit=_SLATE)
