"""Counts of a loaded bundle's rankings in this process: how many there were, how many failed, how long they took."""

import bisect
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

BOUNDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, float("inf"))
"""Upper ends of the buckets of seconds."""


class RankingTimes:
    """Counts the rankings of one bundle. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered = self._failed = 0
        self._counts = [0] * len(BOUNDS)

    @contextmanager
    def measured(self, count: int) -> Iterator[None]:
        """Count the rankings for ``count`` users who are ranked together; an exception makes all of them failures.

        Only the time of a single ranking is kept. The time of several says more about their number than about the
        bundle, and a canary has fewer users to rank together.
        """
        began = time.perf_counter()
        try:
            yield
        except BaseException:
            with self._lock:
                self._failed += count
            raise
        with self._lock:
            self._answered += count
            if count == 1:
                self._counts[bisect.bisect_left(BOUNDS, time.perf_counter() - began)] += 1

    @property
    def answered(self) -> int:
        """Number of rankings that succeeded."""
        return self._answered

    @property
    def failed(self) -> int:
        """Number of rankings that failed."""
        return self._failed

    def buckets(self) -> list[tuple[float, int]]:
        """Return each upper end in seconds with the number of single rankings up to it, ascending."""
        with self._lock:
            counts = list(self._counts)
        return [(bound, sum(counts[: number + 1])) for number, bound in enumerate(BOUNDS)]


def ranking_counts(times: Mapping[str, RankingTimes]) -> Iterator[tuple[float, dict[str, str]]]:
    """Yield the number of rankings of each bundle by outcome, with labels, for the metric ``paperfeed.rankings``.

    Args:
        times: Counts by version of the bundle.
    """
    for version, each in times.items():
        yield each.answered, {"model_version": version, "outcome": "answered"}
        yield each.failed, {"model_version": version, "outcome": "failed"}


def ranking_buckets(times: Mapping[str, RankingTimes]) -> Iterator[tuple[float, dict[str, str]]]:
    """Yield the buckets of each bundle, with labels, for the metric ``paperfeed.ranking.seconds.bucket``.

    The label ``le`` is that of Prometheus's histograms, so that ``histogram_quantile`` works.

    Args:
        times: Counts by version of the bundle.
    """
    for version, each in times.items():
        for bound, count in each.buckets():
            yield count, {"model_version": version, "le": "+Inf" if bound == float("inf") else f"{bound:g}"}
