"""A bounded queue of calls with worker threads, and the rule that admits calls to it.

A running call holds a turn, one of a fixed number of slots. While a call waits for its client, another call may have
the turn.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

# After a refusal, the queue stays short until no call was refused for this time.
CALM_SECONDS = 1.0
# Weight of the latest call in the moving average of call durations.
SMOOTHING = 0.05
# Extra threads for calls without a turn. They wait for a client to send or to take a message, or for their next turn.
MAX_HELD = 32
# A call that waits longer than this for its client's message lends its turn to another call. Nearly all messages arrive
# sooner. Lending less often keeps the work on fewer threads, whose memory stays in the cache; it saves a seventh.
PATIENCE_SECONDS = 0.05
_log = logging.getLogger("paperfeed.admission")


class Lane(ThreadPoolExecutor):
    """An executor with a bounded queue for one kind of calls.

    At most ``threads`` calls run at a time, in order of arrival. A call that waits for its client does not count,
    unless more than ``MAX_HELD`` calls do.

    Normally up to ``max_waiting`` calls may wait, if their expected wait is at most ``max_wait_seconds``. A refusal
    means overload, in which a long queue only delays every answer. After it, one call per two threads may wait, until
    no call was refused for ``CALM_SECONDS``.

    Args:
        max_wait_seconds: Limit for the expected wait, estimated from recent call durations.
        clock: Returns seconds.
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
        # Turns in use, including those of threads that are about to start.
        self._turns = 0
        self._line: deque[_Task | _Return] = deque()
        # Start time of each thread's turn, and start time of each wait for a client.
        self._began: dict[int, float] = {}
        self._waits: dict[int, float] = {}
        self._mean_seconds = 0.0
        self._sheds_until = 0.0
        self._refused_count = 0

    @property
    def count(self) -> int:
        """Number of calls that run or wait."""
        return self._count

    @property
    def most(self) -> int:
        """Maximum number of calls that run or wait."""
        return self._thread_count + self._max_waiting

    @property
    def is_crowded(self) -> bool:
        """Whether as many calls wait as run, or calls are being refused."""
        return self._count >= 2 * self._thread_count or self._clock() < self._sheds_until

    def admits(self) -> bool:
        """Return whether a call that arrives now is admitted; count and log a refusal."""
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
        """Queue a call; a worker thread makes it when it has a turn."""
        task = _Task(partial(call, *args, **kwargs))
        with self._changed:
            self._count += 1
            self._line.append(task)
            has_room = self._turns < self._thread_count
            self._turns += has_room
        if has_room:
            try:
                super().submit(self._work)
            except RuntimeError:
                with self._changed:
                    self._turns -= 1
                    self._line.remove(task)
                    self._leave()
                raise
        return task.future

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Give up the caller's turn during a block that waits for a client; wait for a new turn after it."""
        me = threading.get_ident()
        with self._changed:
            goes_on = self._end_turn(me) and self._pass_on()
        if goes_on:
            self._go_on()
        try:
            yield
        finally:
            self._take_turn(me)

    @contextlib.contextmanager
    def for_message(self) -> Iterator[None]:
        """Mark a block that waits for a client's message, usually shortly; ``lend`` may lend its turn."""
        me = threading.get_ident()
        self._waits[me] = self._clock()
        try:
            yield
        finally:
            with self._changed:
                del self._waits[me]
                is_lent = me not in self._began
            if is_lent:
                self._take_turn(me)

    def lend(self) -> None:
        """Lend the turns of calls that have waited too long for their message. Must be called periodically."""
        limit = self._clock() - PATIENCE_SECONDS
        for thread, since in list(self._waits.items()):
            with self._changed:
                # The wait may have ended by now; the thread may even be in another wait.
                lends = self._waits.get(thread) == since <= limit and self._began.pop(thread, None) is not None
                goes_on = lends and self._pass_on()
            if goes_on:
                self._go_on()

    def _work(self) -> None:
        """Run one task after another until the queue is empty or the turn was lent."""
        me = threading.get_ident()
        while True:
            with self._changed:
                if not self._pass_on():
                    return
                task = self._line.popleft()
                self._began[me] = self._clock()
            if isinstance(task, _Task):
                task.run()
            with self._changed:
                self._leave()
                if not self._end_turn(me):
                    return

    def _pass_on(self) -> bool:
        """Pass a free turn to the next in the queue; return whether that is a task, which needs a worker thread."""
        if not self._line:
            self._turns -= 1
            return False
        following = self._line[0]
        if isinstance(following, _Return):
            self._line.popleft()
            self._began[following.thread] = self._clock()
            following.its_turn.release()
            return False
        return True

    def _go_on(self) -> None:
        try:
            super().submit(self._work)
        except RuntimeError:
            # The executor is shut down.
            with self._changed:
                self._turns -= 1

    def _take_turn(self, thread: int) -> None:
        with self._changed:
            if self._turns < self._thread_count:
                self._turns += 1
                self._began[thread] = self._clock()
                return
            claim = _Return(thread)
            self._line.append(claim)
        # Released by the thread that passes its turn on.
        claim.its_turn.acquire()

    def _end_turn(self, thread: int) -> bool:
        """End the turn of a thread; return False if the thread has none because it was lent."""
        began = self._began.pop(thread, None)
        if began is not None:
            self._mean_seconds += SMOOTHING * (self._clock() - began - self._mean_seconds)
        return began is not None

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no call runs or waits, at most for ``seconds``; return whether that happened."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    def _least_age(self, now: float) -> float:
        """Return the age of the newest turn as an estimate of its remaining time; 0 if a turn is free."""
        return now - max(self._began.values()) if len(self._began) == self._thread_count else 0.0

    def _leave(self) -> None:
        self._count -= 1
        if not self._count:
            self._changed.notify_all()


class _Task:
    """A call that has not started."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self._call = call

    def run(self) -> None:
        """Make the call and set the future's result or exception."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001 -- an executor passes every error to the caller
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class _Return:
    """A thread that waits for a turn to continue its call."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.its_turn = threading.Lock()
        self.its_turn.acquire()
