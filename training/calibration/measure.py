"""Measures probabilities: calibration error, reliability curve, and how long a list cut at a probability is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ranker.types import BoolArray, Float64Array, Int32Array

BINS = 15
SHOWN_PLACES = 20
"""Number of first places that are measured apart: with thousands of papers that nobody likes, any calibration fits."""
THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)


@dataclass(frozen=True)
class ReliabilityBin:
    """Papers of similar probability.

    Attributes:
        predicted: Mean probability.
        observed: Share of the papers that were liked or saved.
        papers: Number of papers, or their total examination.
    """

    predicted: float
    observed: float
    papers: float


@dataclass(frozen=True)
class Length:
    """Lists that end where the probability falls below a threshold.

    Attributes:
        papers: Mean number of papers of a list.
        empty: Share of the lists without a paper.
        precision: Share of all papers in lists that were liked or saved; None if no list has a paper.
        recall: Share of all liked or saved papers that are in the lists.
    """

    threshold: float
    papers: float
    empty: float
    precision: float | None
    recall: float


@dataclass(frozen=True)
class Measured:
    """Quality of a calibration on digests that it was not fitted on.

    Attributes:
        error: Expected calibration error over all papers: mean distance between predicted and observed share.
        shown_error: The same over the first ``SHOWN_PLACES`` papers of each digest.
        bins: Reliability over all papers.
        shown_bins: The same over the first places.
        lengths: One for each of ``THRESHOLDS``.
    """

    digests: int
    users: int
    likes: int
    error: float
    shown_error: float
    bins: tuple[ReliabilityBin, ...]
    shown_bins: tuple[ReliabilityBin, ...]
    lengths: tuple[Length, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return asdict(self)


def measure(
    probabilities: Float64Array, liked: BoolArray, group_sizes: Int32Array, users: int, scores: Float64Array
) -> Measured:
    """Measure the probabilities of the papers of many digests.

    Args:
        probabilities: (n,) probabilities; the papers of a digest stand together.
        liked: (n,) whether each paper was liked or saved.
        group_sizes: (digests,) number of papers of each digest.
        users: Number of users.
        scores: (n,) scores, by which the papers of a digest are ordered.
    """
    shown = first_places(scores, group_sizes, SHOWN_PLACES)
    bins, shown_bins = reliability(probabilities, liked), reliability(probabilities[shown], liked[shown])
    return Measured(
        digests=len(group_sizes),
        users=users,
        likes=int(liked.sum()),
        error=calibration_error(bins),
        shown_error=calibration_error(shown_bins),
        bins=bins,
        shown_bins=shown_bins,
        lengths=tuple(length_at(each, probabilities, liked, group_sizes) for each in THRESHOLDS),
    )


def reliability(
    probabilities: Float64Array, liked: BoolArray, weights: Float64Array | None = None
) -> tuple[ReliabilityBin, ...]:
    """Return ``BINS`` bins of equally many papers, probabilities ascending.

    Args:
        weights: (n,) examination of each paper; None means 1.
    """
    order = np.argsort(probabilities, kind="stable")
    found = []
    for rows in np.array_split(order, BINS):
        seen = np.ones(len(rows)) if weights is None else weights[rows]
        if len(rows):
            total = float(seen.sum())
            predicted, observed = float(probabilities[rows] @ seen) / total, float(liked[rows].sum()) / total
            found.append(ReliabilityBin(round(predicted, 6), round(observed, 6), round(total, 3)))
    return tuple(found)


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error (Naeini, Cooper and Hauskrecht 2015), rounded to 1e-6; 0 without bins."""
    total = sum(each.papers for each in bins)
    return round(sum(abs(each.predicted - each.observed) * each.papers for each in bins) / total, 6) if bins else 0.0


def length_at(threshold: float, probabilities: Float64Array, liked: BoolArray, group_sizes: Int32Array) -> Length:
    """Return the length, precision and recall of lists that end at ``threshold``, and the share of empty ones.

    See ``measure`` for the arguments.
    """
    kept = probabilities >= threshold
    digests = np.repeat(np.arange(len(group_sizes)), group_sizes)
    papers = np.bincount(digests, kept, len(group_sizes))
    hits = int(liked[kept].sum())
    return Length(
        threshold=threshold,
        papers=round(float(papers.mean()), 3),
        empty=round(float((papers == 0).mean()), 4),
        precision=round(hits / int(kept.sum()), 4) if kept.any() else None,
        recall=round(hits / max(int(liked.sum()), 1), 4),
    )


def first_places(scores: Float64Array, group_sizes: Int32Array, count: int) -> BoolArray:
    """Return whether each paper is among the ``count`` highest scores of its digest; (n,)."""
    digests = np.repeat(np.arange(len(group_sizes)), group_sizes)
    order = np.lexsort((-scores, digests))
    starts = np.cumsum(group_sizes, dtype=np.intp) - group_sizes
    found = np.zeros(len(scores), dtype=np.bool_)
    found[order] = np.arange(len(scores)) - np.repeat(starts, group_sizes) < count
    return found
