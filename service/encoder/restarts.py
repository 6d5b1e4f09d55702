"""Delays between failures and new starts of the worker process."""

import threading
import time
from typing import NoReturn

from service.domain.errors import DeadlineTooShort, EncoderUnavailable

MAX_FAILURES = 3
FIRST_WAIT_SECONDS = 0.1
COOL_DOWN_SECONDS = 10.0


class Restarts:
    """Waits 0.1 s after the first failure and 0.2 s after the second. After the third in a row, calls fail for 10 s.

    One thread at a time may use it.
    """

    def __init__(self, closed: threading.Event, cool_down_seconds: float) -> None:
        """Create it without failures. ``closed`` ends all waits at once."""
        self._closed = closed
        self._cool_down_seconds = cool_down_seconds
        self._failures = 0
        self._problem = ""
        self._not_before = 0.0

    def wait(self, deadline: float | None) -> None:
        """Return when a start may be tried.

        Raises:
            EncoderUnavailable: The worker failed too often just now. The error names the last problem.
            DeadlineTooShort: The wait would end after the caller's deadline.
        """
        seconds = self._not_before - time.monotonic()
        if seconds <= 0:
            return
        if self._failures >= MAX_FAILURES:
            raise EncoderUnavailable(self._problem)
        if deadline is not None and deadline < self._not_before:
            raise DeadlineTooShort("embedding")
        self._closed.wait(seconds)

    def failed(self, problem: str) -> None:
        """Count a failure.

        Raises:
            EncoderUnavailable: The worker failed too often.
        """
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self.give_up(problem)
        self._not_before = time.monotonic() + FIRST_WAIT_SECONDS * 2 ** (self._failures - 1)

    def give_up(self, problem: str) -> NoReturn:
        """Make calls fail for a while. After that time, a single failure has the same effect.

        Raises:
            EncoderUnavailable: Always.
        """
        self._failures = MAX_FAILURES
        self._problem = problem
        self._not_before = time.monotonic() + self._cool_down_seconds
        raise EncoderUnavailable(problem)

    def succeeded(self) -> None:
        """Reset the number of failures."""
        self._failures = 0
