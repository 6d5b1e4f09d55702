"""Trends among candidates at a given time: upvotes as of that time, and the decayed heat of events."""

from dataclasses import dataclass

import numpy as np

from ranker.signals import DAY_SECONDS
from ranker.spaces.spaces import PaperMatrix
from ranker.types import BoolArray, Float64Array

TRENDING_TIMES = 2.0
"""A paper may be called trending only if its upvotes or its heat are at least this many times the usual."""
# As on Hacker News: of two papers with equal upvotes, one of two days counts half as much as one of today.
_AGE_OFFSET_DAYS = 2.0


@dataclass(frozen=True)
class Trends:
    """The trends of n candidates at one time.

    Attributes:
        upvotes: (n,) upvotes as of that time; NaN unknown.
        velocity: (n,) upvotes per day; NaN unknown.
        heat: (n,) see ``Signals.heat``; NaN for all candidates if none has any heat.
    """

    upvotes: Float64Array
    velocity: Float64Array
    heat: Float64Array

    @property
    def is_trending(self) -> BoolArray:
        """(n,) True if the candidate's upvotes or heat are well above those of most candidates whose are known.

        If all are alike, or if no other candidate's are known, no candidate is trending.
        """
        found = np.zeros(len(self.heat), dtype=np.bool_)
        for values in (self.upvotes, self.heat):
            known = np.sort(values[~np.isnan(values)])
            if len(known):
                # Of an even number the lower median: of two candidates, one can be well above the other.
                usual = known[(len(known) - 1) // 2]
                found |= (values > 0) & (values >= TRENDING_TIMES * usual)
        return found


def trends(candidates: PaperMatrix, as_of: float, user: int = 0) -> Trends:
    """Return the trends of the candidates at ``as_of`` (Unix seconds).

    Args:
        user: Code of the user whose own events do not count; 0 for none. See ``UserContext``.
    """
    columns, signals = candidates.columns, candidates.columns.signals
    unknown = np.full(len(candidates), np.nan)
    if signals is None:
        return Trends(columns.upvotes, _mean_velocity(columns.upvotes, candidates, as_of), unknown)
    upvotes = columns.upvotes
    if len(signals.snapshot_at):
        # A count of unknown time is used only for papers without snapshots.
        has_snapshots = np.diff(signals.snapshot_starts) > 0
        upvotes = np.where(has_snapshots, signals.upvotes(as_of), upvotes)
    velocity = _mean_velocity(upvotes, candidates, as_of)
    if len(signals.snapshot_at):
        measured = signals.upvote_velocity(as_of)
        velocity = np.where(np.isnan(measured), velocity, measured)
    heat = signals.heat(as_of, user)
    return Trends(upvotes, velocity, heat if (heat > 0).any() else unknown)


def hotness(candidates: PaperMatrix, as_of: float, user: int = 0) -> Float64Array:
    """Return heat plus upvotes discounted by age; (n,) finite. Unknown upvotes and heat count as 0.

    The arguments are those of ``trends``.
    """
    found = trends(candidates, as_of, user)
    ages = np.nan_to_num(_age_days(candidates, as_of))
    return np.asarray(np.nan_to_num(found.heat) + np.nan_to_num(found.upvotes) / (ages + _AGE_OFFSET_DAYS))


def ranks_among(values: Float64Array) -> Float64Array:
    """Return the share of the known values that lie below each value, ties counting half; (n,), NaN stays NaN."""
    out = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    below = np.searchsorted(ordered, values[known], side="left")
    not_above = np.searchsorted(ordered, values[known], side="right")
    out[known] = (below + not_above) / 2 / max(len(ordered), 1)
    return out


def _mean_velocity(upvotes: Float64Array, candidates: PaperMatrix, as_of: float) -> Float64Array:
    """Return the upvotes per day over each paper's age, at least one day; NaN if upvotes or age are unknown."""
    return np.asarray(upvotes / np.maximum(_age_days(candidates, as_of), 1.0))


def _age_days(candidates: PaperMatrix, as_of: float) -> Float64Array:
    """Return the age of each paper in days, at least 0; NaN if it has no date."""
    return np.asarray(np.maximum((as_of - candidates.dates) / DAY_SECONDS, 0.0))
