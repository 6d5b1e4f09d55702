"""Calls of one bundle as the server's metrics count them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Buckets:
    """A histogram of seconds.

    Attributes:
        bounds: Upper ends of the buckets in seconds, ascending; the last may be infinite.
        counts: Number of values up to each upper end, ascending.
    """

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        """Number of all values."""
        return self.counts[-1] if self.counts else 0.0

    def quantile(self, share: float) -> float:
        """Return the seconds that this share of the values does not exceed, interpolated within the bucket.

        There must be values. A quantile in the last, infinite bucket is the lower end of this bucket.
        """
        wanted = share * self.total
        for (low, below), (high, up_to) in self._edges():
            if up_to >= wanted and up_to > below:
                return low if high == float("inf") else low + (high - low) * (wanted - below) / (up_to - below)
        return self.bounds[-1]

    def above(self, seconds: float) -> float:
        """Return the number of values above ``seconds``, interpolated within the bucket.

        Of the infinite bucket all values count as above its lower end.
        """
        for (low, below), (high, up_to) in self._edges():
            if seconds < high:
                part = 0.0 if high == float("inf") else (seconds - low) / (high - low)
                return self.total - below - part * (up_to - below)
        return 0.0

    def _edges(self) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        """Yield both ends of each bucket, each with the number of values up to it."""
        return pairwise([(0.0, 0.0), *zip(self.bounds, self.counts, strict=True)])


@dataclass(frozen=True)
class Calls:
    """Rankings by one bundle.

    Attributes:
        answered: Number of rankings that succeeded.
        failed: Number of rankings that ended with an error.
        seconds: Times of the rankings that were made for one user alone.
    """

    answered: float
    failed: float
    seconds: Buckets

    @property
    def total(self) -> float:
        """Number of all rankings."""
        return self.answered + self.failed
