"""ISO weeks, numbered from the first Monday of Unix time."""

import numpy as np

from ranker.types import Float64Array, IndexArray

WEEK_SECONDS = 7 * 86_400.0
# 1970-01-05, the first Monday of Unix time: ISO weeks start on Mondays.
_FIRST_MONDAY = 4 * 86_400.0


def week_of(times: Float64Array) -> IndexArray:
    """Return the number of the ISO week of each time, 0 from the first Monday of 1970; -1 where the time is unknown."""
    weeks = np.floor((times - _FIRST_MONDAY) / WEEK_SECONDS)
    return np.where(np.isnan(times), -1, weeks).astype(np.intp)


def start_of(week: int) -> float:
    """Return Monday 00:00 UTC of a week in Unix seconds."""
    return _FIRST_MONDAY + float(week) * WEEK_SECONDS
