"""What trends among candidates at a moment: upvotes as of then, and the decayed heat of readers' events."""

from dataclasses import dataclass

import numpy as np

from ranker.signals import DAY_SECONDS
from ranker.spaces.spaces import PaperMatrix
from ranker.types import BoolArray, Float64Array

TRENDING_RANK = 0.5
"""Only the upper half of the candidates is called trending, by upvotes or by heat."""
# As on Hacker News: a paper of two days counts half as much as one of today with as many upvotes.
_AGE_OFFSET_DAYS = 2.0


@dataclass(frozen=True)
class Trends:
    """n candidates.

    Attributes:
        upvotes: (n,) as of the moment; NaN unknown.
        velocity: (n,) upvotes a day; NaN unknown.
        heat: (n,) see ``Signals.heat``; NaN for all where nobody did anything with any of them.
    """

    upvotes: Float64Array
    velocity: Float64Array
    heat: Float64Array

    @property
    def is_trending(self) -> BoolArray:
        """(n,) among the upper half by upvotes or heat, and above 0 there."""
        found = np.zeros(len(self.heat), dtype=np.bool_)
        for values in (self.upvotes, self.heat):
            found |= (np.nan_to_num(values) > 0) & (np.nan_to_num(ranks_among(values)) >= TRENDING_RANK)
        return found


def trends(candidates: PaperMatrix, as_of: float, user: int = 0) -> Trends:
    """The trends at ``as_of`` (Unix seconds), without what ``user`` did (see ``UserContext``)."""
    columns, signals = candidates.columns, candidates.columns.signals
    unknown = np.full(len(candidates), np.nan)
    if signals is None:
        return Trends(columns.upvotes, _mean_velocity(columns.upvotes, candidates, as_of), unknown)
    upvotes = columns.upvotes
    if len(signals.snapshot_at):
        # A count without a time is believed only where no snapshot has one.
        has_snapshots = np.diff(signals.snapshot_starts) > 0
        upvotes = np.where(has_snapshots, signals.upvotes(as_of), upvotes)
    velocity = _mean_velocity(upvotes, candidates, as_of)
    if len(signals.snapshot_at):
        measured = signals.upvote_velocity(as_of)
        velocity = np.where(np.isnan(measured), velocity, measured)
    heat = signals.heat(as_of, user)
    return Trends(upvotes, velocity, heat if (heat > 0).any() else unknown)


def hotness(candidates: PaperMatrix, as_of: float, user: int = 0) -> Float64Array:
    """(n,) one figure to order candidates by where nothing else is known: heat, and upvotes discounted by age.

    Unknown counts as none.
    """
    found = trends(candidates, as_of, user)
    ages = np.nan_to_num(_age_days(candidates, as_of))
    return np.asarray(np.nan_to_num(found.heat) + np.nan_to_num(found.upvotes) / (ages + _AGE_OFFSET_DAYS))


def ranks_among(values: Float64Array) -> Float64Array:
    """(n,) share of the known values that lie below each, ties counting half; NaN stays NaN."""
    out = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    below = np.searchsorted(ordered, values[known], side="left")
    not_above = np.searchsorted(ordered, values[known], side="right")
    out[known] = (below + not_above) / 2 / max(len(ordered), 1)
    return out


def _mean_velocity(upvotes: Float64Array, candidates: PaperMatrix, as_of: float) -> Float64Array:
    """Upvotes a day over the paper's whole age, at least one day; NaN where the age is unknown."""
    return np.asarray(upvotes / np.maximum(_age_days(candidates, as_of), 1.0))


def _age_days(candidates: PaperMatrix, as_of: float) -> Float64Array:
    return np.asarray(np.maximum((as_of - candidates.dates) / DAY_SECONDS, 0.0))
