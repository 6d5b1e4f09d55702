"""The bounded queue of calls that wait for the worker process: urgent calls before background calls."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain.errors import DeadlineTooShort, Overloaded


class CallQueue:
    """Lends the worker process to one thread at a time. Thread safe.

    A call is admitted once, and then queues for the worker with each of its slices. So urgent calls share the worker
    slice by slice: a new urgent call waits for the slice in progress and for at most one slice of each earlier urgent
    call.
    """

    def __init__(self, *, max_waiting: int) -> None:
        """Create an empty queue. ``max_waiting`` bounds the waiting urgent calls, and the waiting background calls."""
        self._max_calls = max_waiting + 1
        self._changed = threading.Condition()
        self._calls: Counter[bool] = Counter()
        self._queues: dict[bool, deque[object]] = {True: deque(), False: deque()}
        self._is_busy = False

    @contextmanager
    def admitted(self, *, urgent: bool) -> Iterator[None]:
        """Admit a call for the time of the block.

        Raises:
            Overloaded: Too many calls are waiting already.
        """
        with self._changed:
            if self._calls[urgent] >= self._max_calls:
                raise Overloaded("encoder")
            self._calls[urgent] += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls[urgent] -= 1

    @contextmanager
    def worker(self, *, urgent: bool, deadline: float | None = None) -> Iterator[None]:
        """Wait for the worker, and hold it for the time of the block.

        Raises:
            DeadlineTooShort: The worker was not free before ``deadline``, a time of ``time.monotonic``.
        """
        ticket = object()
        with self._changed:
            self._queues[urgent].append(ticket)
            left = None if deadline is None else deadline - time.monotonic()
            try:
                self._is_busy = is_mine = self._changed.wait_for(lambda: self._is_next(ticket), left)
            finally:
                # This also runs after Ctrl-C: a ticket that stays in the queue would block all later calls.
                self._queues[urgent].remove(ticket)
                self._changed.notify_all()
            if not is_mine:
                raise DeadlineTooShort("embedding")
        try:
            yield
        finally:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _is_next(self, ticket: object) -> bool:
        queue = self._queues[True] or self._queues[False]
        return not self._is_busy and queue[0] is ticket
