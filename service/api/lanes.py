"""Threads for calls of one kind, and who may wait for them."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# A lane that has refused somebody keeps its queue short until so long nobody had to be refused.
CALM_SECONDS = 1.0
# The weight of the latest call in the mean time that calls take.
SMOOTHING = 0.05
_log = logging.getLogger("paperfeed.admission")


class Lane(ThreadPoolExecutor):
    """Worker threads for one kind of calls, and the rule that says whether one more may wait for them.

    As long as all goes well many may wait: ``max_waiting``, or as many as fit in ``max_wait_seconds``. Once one had to
    be refused this is no burst but overload, where a long queue helps nobody: it only makes every answer late. From
    then on one call may wait for every two threads, until nobody was refused for a second.

    Args:
        max_wait_seconds: By the mean time that calls took of late.
        clock: Seconds.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        max_waiting: int,
        max_wait_seconds: float = float("inf"),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(threads, name)
        self._clock = clock
        self._name = name
        self._thread_count = threads
        self._max_waiting = max_waiting
        self._short = (threads + 1) // 2
        self._max_wait_seconds = max_wait_seconds
        self._changed = threading.Condition()
        self._count = 0
        self._mean_seconds = 0.0
        self._sheds_until = 0.0
        self._refused_count = 0

    @property
    def count(self) -> int:
        """Calls at work or waiting."""
        return self._count

    @property
    def most(self) -> int:
        """Calls that are ever at work or waiting."""
        return self._thread_count + self._max_waiting

    @property
    def is_crowded(self) -> bool:
        """Whether as many wait as are at work, or calls are being refused."""
        return self._count >= 2 * self._thread_count or self._clock() < self._sheds_until

    def admits(self) -> bool:
        """Whether a call that arrives now may wait, or need not."""
        with self._changed:
            now, waiting = self._clock(), self._count - self._thread_count
            sheds = now < self._sheds_until
            if not sheds and self._refused_count:
                _log.warning("overload ended", extra={"facts": {"lane": self._name, "refused": self._refused_count}})
                self._refused_count = 0
            limit = min(self._short, self._max_waiting) if sheds else self._max_waiting
            expected_seconds = (waiting + 1) * self._mean_seconds / self._thread_count
            if waiting < 0 or (waiting < limit and expected_seconds <= self._max_wait_seconds):
                return True
            if not self._refused_count:
                facts = {"lane": self._name, "waiting": waiting, "expected_seconds": round(expected_seconds, 3)}
                _log.warning("overload: calls are refused", extra={"facts": facts})
            self._refused_count += 1
            self._sheds_until = now + CALM_SECONDS
            return False

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As the base class."""
        with self._changed:
            self._count += 1
        try:
            future = super().submit(self._timed, call, *args, **kwargs)
        except RuntimeError:
            self._leave(0)
            raise
        # A call that is cancelled before its turn, or raises, is never timed.
        future.add_done_callback(
            lambda done: self._leave(0.0 if done.cancelled() or done.exception() else done.result())
        )
        return future

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether nothing was left to do within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    def _timed(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
        began = self._clock()
        call(*args, **kwargs)
        return self._clock() - began

    def _leave(self, seconds: float) -> None:
        with self._changed:
            self._count -= 1
            if seconds:
                self._mean_seconds += SMOOTHING * (seconds - self._mean_seconds)
            if not self._count:
                self._changed.notify_all()
