"""A background thread that does its work in rounds."""

import logging
import threading
from abc import ABC, abstractmethod


class Rounds(ABC):
    """A background thread that starts a round when it is woken, and every ``poll_seconds``.

    It polls because other processes may change the database too. An unexpected error is logged, and the next round
    comes after another ``poll_seconds``: without the thread, its work would rest until a restart.

    Args:
        name: Name of the thread.
        log: Logger of unexpected errors.
        failure: Message of unexpected errors.
    """

    def __init__(self, name: str, log: logging.Logger, failure: str, poll_seconds: float) -> None:
        self._log = log
        self._failure = failure
        self._poll_seconds = poll_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread and its first round."""
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Start a round soon, because there may be work. Does not block."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread soon; wait for it for at most five seconds."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    @abstractmethod
    def _round(self) -> None:
        """Do the work of one round; end early if ``_stopping`` is set."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._poll_seconds)
            self._wake.clear()
            try:
                self._round()
            except Exception:  # noqa: BLE001 -- the thread must outlive any error of its work
                self._log.exception(self._failure)
                self._stopping.wait(self._poll_seconds)
