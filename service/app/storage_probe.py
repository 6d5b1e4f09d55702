"""Reads from a database that may not answer, with a short time limit."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from service.app.background import started
from service.domain.errors import StorageUnavailable

Answer = TypeVar("Answer")
WAIT_SECONDS = 1.0


class StorageProbe(Generic[Answer]):
    """Reads the database in a separate thread, one read at a time, and waits up to a second. Thread safe.

    Args:
        ask: Reads the answer.
        problem: Returns why other transactions fail at present; empty if they do not.
    """

    def __init__(self, ask: Callable[[], Answer], problem: Callable[[], str]) -> None:
        self._ask = ask
        self._problem = problem
        self._lock = threading.Lock()
        self._question: Future[Answer] | None = None
        self._asked_at = 0.0

    def find(self) -> tuple[Answer | None, str]:
        """Return the answer and the problem; None if the database does not answer, and an empty text if all is well."""
        question = self._present_question()
        try:
            return question.result(WAIT_SECONDS), self._problem()
        except StorageUnavailable as error:
            return None, error.message
        except TimeoutError:
            waited = time.monotonic() - self._asked_at
            return None, StorageUnavailable(f"it has not answered for {waited:.0f} s").message

    def _present_question(self) -> "Future[Answer]":
        with self._lock:
            if self._question is None or self._question.done():
                self._question, self._asked_at = started(self._ask, "probe"), time.monotonic()
            return self._question
