"""Who may use the one worker next: bounded, urgent before background, in order of arrival."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain.errors import DeadlineTooShort, Overloaded


class Turns:
    """Gives one thread at a time the turn. Thread safe.

    A call is let in once (``admission``) and then takes a turn for each of its slices, queueing anew each time: so
    urgent calls share the worker slice by slice, and one that arrives waits for at most the slice in progress and one
    of each urgent call before it.
    """

    def __init__(self, *, max_waiting: int) -> None:
        """Args: max_waiting: Calls beyond the running one, counted apart for urgent and background ones."""
        self._max_calls = max_waiting + 1
        self._changed = threading.Condition()
        self._calls: Counter[bool] = Counter()
        self._queues: dict[bool, deque[object]] = {True: deque(), False: deque()}
        self._is_taken = False

    @contextmanager
    def admission(self, *, urgent: bool) -> Iterator[None]:
        """Counts the call while it lasts.

        Raises:
            Overloaded: As many calls as may wait do so already.
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
    def turn(self, *, urgent: bool, deadline: float | None = None) -> Iterator[None]:
        """Waits for the turn and holds it.

        Raises:
            DeadlineTooShort: It did not come before ``deadline``, a time of ``time.monotonic``.
        """
        ticket = object()
        with self._changed:
            self._queues[urgent].append(ticket)
            left = None if deadline is None else deadline - time.monotonic()
            try:
                self._is_taken = is_mine = self._changed.wait_for(lambda: self._is_next(ticket), left)
            finally:
                # Also after Ctrl-C: a ticket left behind would stop everyone.
                self._queues[urgent].remove(ticket)
                self._changed.notify_all()
            if not is_mine:
                raise DeadlineTooShort("embedding")
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify_all()

    def _is_next(self, ticket: object) -> bool:
        queue = self._queues[True] or self._queues[False]
        return not self._is_taken and queue[0] is ticket
