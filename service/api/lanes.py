"""Turns for calls of one kind, and who may wait for them."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

# A lane that has refused somebody keeps its queue short until so long nobody had to be refused.
CALM_SECONDS = 1.0
# The weight of the latest call in the mean time that calls take.
SMOOTHING = 0.05
# Threads beyond those at work. They wait: for a client to send its message or to take ours, or for another turn.
MAX_HELD = 32
# A call that waits so long for its client's message lends its turn to others. Nearly all messages come at once, and few
# threads do all work: with each thread's own memory in the processor's cache it takes a seventh less time.
PATIENCE_SECONDS = 0.05
_log = logging.getLogger("paperfeed.admission")


class Lane(ThreadPoolExecutor):
    """Turns at work for one kind of calls, and the rule that says whether one more may wait for them.

    ``threads`` calls have a turn at a time, first come, first served. Who waits for a client keeps nobody else from
    working, until ``MAX_HELD`` do.

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
        # Turns taken, those of threads that are about to begin included.
        self._turns = 0
        self._line: deque[_Task | _Return] = deque()
        # When threads began with their turns, and since when some of them wait for a client.
        self._began: dict[int, float] = {}
        self._waits: dict[int, float] = {}
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
        """As the base class; the call is made in a turn."""
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
        """Gives the caller's turn to others for a block that waits for a client, and waits for another one after it."""
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
        """The same for a block that ends at once, mostly: the turn is lent by ``lend`` alone."""
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
        """Lends the turns of those who have waited for a message for too long; to be called ever again."""
        limit = self._clock() - PATIENCE_SECONDS
        for thread, since in list(self._waits.items()):
            with self._changed:
                # It may be another wait of the same thread by now, or none.
                lends = self._waits.get(thread) == since <= limit and self._began.pop(thread, None) is not None
                goes_on = lends and self._pass_on()
            if goes_on:
                self._go_on()

    def _work(self) -> None:
        """One thread's turns, of task after task as long as there are any."""
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
        """What becomes of a turn that has ended; whether a thread of ours is to go on with it, since a task is next."""
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
            # The lane is shut down.
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
        # Given by the one whose turn ends.
        claim.its_turn.acquire()

    def _end_turn(self, thread: int) -> bool:
        """False where it was lent, and another took none after it."""
        began = self._began.pop(thread, None)
        if began is not None:
            self._mean_seconds += SMOOTHING * (self._clock() - began - self._mean_seconds)
        return began is not None

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether nothing was left to do within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    def _least_age(self, now: float) -> float:
        """How long the youngest turn has lasted, and so will probably last on; 0 where one is free."""
        return now - max(self._began.values()) if len(self._began) == self._thread_count else 0.0

    def _leave(self) -> None:
        self._count -= 1
        if not self._count:
            self._changed.notify_all()


class _Task:
    """A call that has not begun."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self._call = call

    def run(self) -> None:
        """As an executor does."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001 -- it is the caller's to see, as of any executor
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class _Return:
    """A thread whose call goes on when its turn comes."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.its_turn = threading.Lock()
        self.its_turn.acquire()
