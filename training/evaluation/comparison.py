"""Compares the ranker with each baseline, on all queries or on a slice of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranker.types import BoolArray, Float64Array
from training.evaluation.intervals import Bootstrap
from training.evaluation.scoring import Answers

LIBRARY_SIZES = ((5, 10), (11, 20), (21, 50), (51, None))
CANDIDATE_COUNTS = ((1, 50), (51, 100), (101, 150), (151, 300), (301, 1_000), (1_001, None))


@dataclass(frozen=True)
class Comparison:
    """The figures of all systems on the same queries.

    Attributes:
        variants: Names of the ranker's variants; all other systems are baselines.
        replicates: System to metric to (1 + samples,) estimates.
    """

    variants: tuple[str, ...]
    baselines: tuple[str, ...]
    metrics: tuple[str, ...]
    bootstrap: Bootstrap
    replicates: dict[str, dict[str, Float64Array]]

    @classmethod
    def of(cls, answers: Answers, variants: Sequence[str], keep: BoolArray | None = None) -> "Comparison":
        """Return the comparison on the queries where ``keep`` (q,) is true; None keeps all."""
        chosen = np.ones(len(answers.users), dtype=np.bool_) if keep is None else keep
        bootstrap = Bootstrap(answers.users[chosen], answers.groups[chosen])
        replicates = {
            system: {
                metric: bootstrap.estimates(figures[chosen, column]) for column, metric in enumerate(answers.metrics)
            }
            for system, figures in answers.figures.items()
        }
        present = tuple(name for name in variants if name in replicates)
        baselines = tuple(name for name in replicates if name not in present)
        return cls(present, baselines, answers.metrics, bootstrap, replicates)

    def systems(self) -> dict[str, Any]:
        """Return system to metric to mean, low and high."""
        return {
            system: {metric: self.bootstrap.interval(found).as_dict() for metric, found in of_metric.items()}
            for system, of_metric in self.replicates.items()
        }

    def best_baseline(self, metric: str) -> str | None:
        """Return the baseline with the highest mean; the first of equals, None without baselines."""
        return max(self.baselines, key=lambda name: self.replicates[name][metric][0], default=None)

    def difference(self, system: str, baseline: str, metric: str) -> dict[str, Any]:
        """Return mean, low and high of the paired difference, and whether its interval lies above zero."""
        found = self.bootstrap.interval(self.replicates[system][metric] - self.replicates[baseline][metric])
        return {**found.as_dict(), "beats": found.above_zero}

    def paired(self) -> dict[str, Any]:
        """Return variant to baseline to metric to difference; ``best`` marks the strongest baseline of a metric."""
        best = {metric: self.best_baseline(metric) for metric in self.metrics}
        return {
            system: {
                baseline: {
                    metric: {**self.difference(system, baseline, metric), "best": baseline == best[metric]}
                    for metric in self.metrics
                }
                for baseline in self.baselines
            }
            for system in self.variants
        }

    def against_best(self) -> dict[str, Any]:
        """Return variant to metric to its mean, the best baseline with its mean, and the difference."""
        found: dict[str, Any] = {}
        for system in self.variants:
            found[system] = {}
            for metric in self.metrics:
                best, mean = self.best_baseline(metric), self.replicates[system][metric][0]
                entry: dict[str, Any] = {"mean": round(float(mean), 6), "best_baseline": best}
                if best is not None:
                    entry["baseline_mean"] = round(float(self.replicates[best][metric][0]), 6)
                    entry["difference"] = self.difference(system, best, metric)
                found[system][metric] = entry
        return found


def slices(answers: Answers, variants: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return slices by likes in the profile and by candidates, each compared with its own best baseline."""
    return {
        "library_size": _sliced(answers, variants, answers.like_counts, LIBRARY_SIZES),
        "candidate_count": _sliced(answers, variants, answers.candidate_counts, CANDIDATE_COUNTS),
    }


def _sliced(
    answers: Answers, variants: Sequence[str], sizes: Any, bounds: Sequence[tuple[int, int | None]]
) -> list[dict[str, Any]]:
    found = []
    for low, high in bounds:
        keep: BoolArray = (sizes >= low) & (sizes <= (np.inf if high is None else high))
        if keep.any():
            part = Comparison.of(answers, variants, keep)
            found.append(
                {
                    "from": low,
                    "to": high,
                    "queries": int(keep.sum()),
                    "readers": part.bootstrap.user_count,
                    "systems": part.against_best(),
                }
            )
    return found
