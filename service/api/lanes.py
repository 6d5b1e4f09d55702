"""Turns for calls of one kind, and who may wait for them."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# A lane that has refused somebody keeps its queue short until so long nobody had to be refused.
CALM_SECONDS = 1.0
# The weight of the latest call in the mean time that calls take.
SMOOTHING = 0.05
# Threads beyond those at work. They wait: for a client to send its message or to take ours, or for their turn.
MAX_HELD = 32
_log = logging.getLogger("paperfeed.admission")


class Lane(ThreadPoolExecutor):
    """Turns at work for one kind of calls, and the rule that says whether one more may wait for them.

    A call has a thread as long as it lasts, but works in its turn: ``threads`` calls have one at a time. Who waits for
    a client keeps nobody else from working, until ``MAX_HELD`` do.

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
        super().__init__(threads + min(max_waiting, MAX_HELD), name)
        self._clock = clock
        self._name = name
        self._thread_count = threads
        self._max_waiting = max_waiting
        self._short = (threads + 1) // 2
        self._max_wait_seconds = max_wait_seconds
        self._changed = threading.Condition()
        self._count = 0
        self._line: deque[tuple[int, threading.Lock]] = deque()
        self._began: dict[int, float] = {}
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
            expected_seconds = max((waiting + 1) * self._mean_seconds / self._thread_count, self._least_age(now))
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
            future = super().submit(call, *args, **kwargs)
        except RuntimeError:
            self._leave()
            raise
        future.add_done_callback(lambda _done: self._leave())
        return future

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until fewer than ``threads`` are at work, first come, first served; then the caller is one of them."""
        me = threading.get_ident()
        mine = threading.Lock()
        with self._changed:
            if len(self._began) < self._thread_count:
                self._began[me] = self._clock()
            else:
                mine.acquire()
                self._line.append((me, mine))
        # Given by the one whose turn ends. With a semaphore a stream would be back before those who wait wake up.
        mine.acquire()
        try:
            yield
        finally:
            self._end_turn(me)

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether nothing was left to do within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    def _end_turn(self, thread: int) -> None:
        with self._changed:
            now = self._clock()
            self._mean_seconds += SMOOTHING * (now - self._began.pop(thread) - self._mean_seconds)
            if self._line:
                following, its_turn = self._line.popleft()
                self._began[following] = now
                its_turn.release()

    def _least_age(self, now: float) -> float:
        """How long the youngest turn has lasted, and so will probably last on; 0 where one is free."""
        return now - max(self._began.values()) if len(self._began) == self._thread_count else 0.0

    def _leave(self) -> None:
        with self._changed:
            self._count -= 1
            if not self._count:
                self._changed.notify_all()
