"""When a worker that failed may be started again."""

import threading
import time

from service.domain.errors import DeadlineTooShort, EncoderUnavailable

MAX_FAILURES = 3
FIRST_WAIT_SECONDS = 0.1
COOL_DOWN_SECONDS = 10.0


class Restarts:
    """Waits 0.1 s after the first failure, 0.2 s after the second; after the third in a row nobody tries for 10 s.

    Used by one thread at a time; only ``stop_waiting`` may come from any.
    """

    def __init__(self, *, cool_down_seconds: float = COOL_DOWN_SECONDS) -> None:
        self._cool_down_seconds = cool_down_seconds
        self._failures = 0
        self._problem = ""
        self._not_before = 0.0
        self._stopped = threading.Event()

    def wait(self, deadline: float | None) -> None:
        """Returns when a start may be tried.

        Raises:
            EncoderUnavailable: It failed too often a moment ago; says with what problem.
            DeadlineTooShort: The wait is longer than the caller has.
        """
        seconds = self._not_before - time.monotonic()
        if seconds <= 0:
            return
        if self._failures >= MAX_FAILURES:
            raise EncoderUnavailable(self._problem)
        if deadline is not None and deadline < self._not_before:
            raise DeadlineTooShort("embedding")
        self._stopped.wait(seconds)

    def failed(self, problem: str) -> None:
        """Counts a failure.

        Raises:
            EncoderUnavailable: It was one too many.
        """
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self.give_up(problem)
        self._not_before = time.monotonic() + FIRST_WAIT_SECONDS * 2 ** (self._failures - 1)

    def give_up(self, problem: str) -> None:
        """Lets nobody try for a while; then one more failure does the same again.

        Raises:
            EncoderUnavailable: Always.
        """
        self._failures = MAX_FAILURES
        self._problem = problem
        self._not_before = time.monotonic() + self._cool_down_seconds
        raise EncoderUnavailable(problem)

    def succeeded(self) -> None:
        """Forgets the failures."""
        self._failures = 0

    def stop_waiting(self) -> None:
        """Ends the present wait, and every later one, at once."""
        self._stopped.set()
