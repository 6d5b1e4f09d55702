"""Confidence sequences: intervals that hold at all looks together, so that looking every day costs nothing.

An ordinary 95 % interval misses the truth at one look in twenty, and so at some look almost surely. A 95 % confidence
sequence misses it at any look at all with a probability of at most 5 %. Here it is the asymptotic confidence sequence
of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024, "Time-uniform central limit theory and asymptotic confidence
sequences", Theorem 2.2), which goes back to the normal mixture of Robbins (1970). With information V = 1 / variance of
the estimate, the estimate times V behaves like a Brownian motion with drift at time V, and the half width is

    sqrt(2 (V r + 1) / (V^2 r) * log(sqrt(V r + 1) / alpha))

where r > 0 is chosen in advance. It makes the sequence tightest at one amount of information, and valid at all. Users
are the unit: an estimate is a difference of means over users, and more slates of the same users lower its variance only
down to the differences between users.
"""

import math
from typing import NamedTuple

import numpy as np

from ranker.types import Float64Array

_ERRORS_AT_BEST = 3.0
"""The sequence is tightest when the effect it is tuned to is this many standard errors large, which is about its half
width there."""


class Estimate(NamedTuple):
    """An estimate and its variance."""

    mean: float
    variance: float


class AnytimeInterval(NamedTuple):
    """One look at a confidence sequence: an estimate with the ends of its interval."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return the interval for JSON, rounded to 1e-6."""
        return {name: round(value, 6) for name, value in self._asdict().items()}


def confidence_sequence(estimate: Estimate, *, alpha: float, effect: float) -> AnytimeInterval:
    """Return the interval of an estimate at this look.

    Args:
        alpha: Probability, above 0 and below 1, that the interval misses the truth at any look.
        effect: Size of the effect for which the sequence is tuned, above 0, in units of the estimate. It must not
            depend on the data.
    """
    if estimate.variance <= 0:
        return AnytimeInterval(estimate.mean, estimate.mean, estimate.mean)
    best = (_ERRORS_AT_BEST / effect) ** 2
    rate = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / best
    information = 1 / estimate.variance
    scaled = information * rate + 1
    half = math.sqrt(2 * scaled / (information**2 * rate) * math.log(math.sqrt(scaled) / alpha))
    return AnytimeInterval(estimate.mean, estimate.mean - half, estimate.mean + half)


def mean_of(values: Float64Array) -> Estimate:
    """Return the mean over users and its variance; ``values`` are (users,), two or more."""
    return Estimate(float(values.mean()), float(values.var(ddof=1)) / len(values))


def log_ratio(new: Estimate, old: Estimate) -> Estimate:
    """Return ``log(new / old)`` of two independent means above zero, with the variance by the delta method.

    A gain by half and a loss by a third are then equally far from zero.
    """
    variance = new.variance / new.mean**2 + old.variance / old.mean**2
    return Estimate(math.log(new.mean / old.mean), variance)


def difference(new: Estimate, old: Estimate) -> Estimate:
    """Return ``new - old`` of two independent means."""
    return Estimate(new.mean - old.mean, new.variance + old.variance)


def share_of(values: Float64Array) -> Estimate:
    """Return the mean over users of (users,) values from 0 to 1, with a variance that is never too small.

    Where no user shows an event, the sample variance is 0, although the event may be possible. So the variance of one
    user's value is taken to be at least 1 / users, as if about one user had shown it.
    """
    variance = max(float(np.var(values, ddof=1)), 1 / len(values))
    return Estimate(float(values.mean()), variance / len(values))


def count_share(events: float, total: float) -> Estimate:
    """Return the share of ``events`` among ``total`` calls, with the least variance of ``share_of``."""
    share = events / total
    return Estimate(share, max(share * (1 - share), 1 / total) / total)
