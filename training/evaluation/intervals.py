"""Means with bootstrap intervals. Users are resampled, so that all queries of a user stay together."""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array, IndexArray

SAMPLES = 2_000
_SEED = 20_180_101


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; the ends are NaN if there is only one user."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, estimates: Float64Array) -> "Interval":
        """Return the interval of (1 + samples,) estimates: of the data, then of each resample."""
        low, high = np.percentile(estimates[1:], (2.5, 97.5))
        return cls(float(estimates[0]), float(low), float(high))

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    def as_dict(self) -> dict[str, float | None]:
        """Return the interval for JSON, with None for NaN."""
        return {name: None if np.isnan(x) else round(float(x), 6) for name, x in vars(self).items()}


def resamples(user_count: int, samples: int, seed: int) -> Float64Array:
    """Return (1 + samples, users) counts of each user: 1 in the first row, random in the others."""
    drawn = np.random.default_rng(seed).multinomial(user_count, np.full(user_count, 1 / user_count), size=samples)
    return np.concatenate((np.ones((1, user_count)), drawn))


class Bootstrap:
    """The same resamples of users for every system, so that differences are paired (Efron and Tibshirani 1993).

    The estimate is the mean over queries within each group, then over groups.
    """

    def __init__(self, users: IndexArray, groups: IndexArray, samples: int = SAMPLES) -> None:
        """Draw the resamples; ``users`` and ``groups`` are (q,)."""
        _, self._user = np.unique(users, return_inverse=True)
        _, self._group = np.unique(groups, return_inverse=True)
        self.user_count = int(self._user.max()) + 1
        self._cells = (int(self._group.max()) + 1, self.user_count)
        self._weights = resamples(self.user_count, samples, _SEED)
        self._counts = self._summed(np.ones(len(users)))

    def estimates(self, values: Float64Array) -> Float64Array:
        """Return (1 + samples,) means of (q,) values: of the data, then of each resample."""
        sums = self._summed(values)
        with np.errstate(invalid="ignore"):  # 0 / 0 where a small group has no user in a resample
            means = sums / self._counts
        known = np.isfinite(means)
        return np.asarray(np.where(known, means, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), dtype=np.float64)

    def interval(self, estimates: Float64Array) -> Interval:
        """Return the 95 % interval of (1 + samples,) estimates; without ends for fewer than two users."""
        if self.user_count < 2:
            return Interval(float(estimates[0]), float("nan"), float("nan"))
        return Interval.of(estimates)

    def _summed(self, values: Float64Array) -> Float64Array:
        """Return (1 + samples, groups) weighted sums."""
        cells = np.zeros(self._cells)
        np.add.at(cells, (self._group, self._user), values)
        return np.asarray(self._weights @ cells.T, dtype=np.float64)
