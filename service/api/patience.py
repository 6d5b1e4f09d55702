"""How long a call may wait for its client."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import grpc

# Of the patience: how late an end may come.
PRECISION = 0.1
_log = logging.getLogger("paperfeed.calls")


@dataclass(slots=True)
class Wait:
    """One call's wait for its client; ``is_lost`` once the call was cancelled for it."""

    method: str
    since: float
    is_lost: bool = False


class Patience:
    """Cancels calls whose clients keep a thread waiting for longer than ``seconds``.

    grpcio waits without end for a message and for room to send one. Cancelling a call from another thread wakes it.

    Args:
        what: What clients do meanwhile, for the log.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._lock = threading.Lock()
        # In order of time.
        self._waiting: dict[grpc.ServicerContext, Wait] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="patience", daemon=True).start()

    @contextlib.contextmanager
    def with_client(self, context: grpc.ServicerContext, method: str) -> Iterator[Wait]:
        """The block waits for the call's client and for nothing else."""
        with self._lock:
            wait = self._waiting[context] = Wait(method, time.monotonic())
        try:
            yield wait
        finally:
            with self._lock:
                self._waiting.pop(context, None)

    def close(self) -> None:
        """Ends the watch."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(PRECISION * self._seconds):
            for context, wait in self._late():
                facts = {"method": wait.method, "seconds": self._seconds}
                _log.warning(f"call cancelled: its client took too long {self._what}", extra={"facts": facts})
                context.cancel()

    def _late(self) -> list[tuple[grpc.ServicerContext, Wait]]:
        """Those to cancel now, each once."""
        limit = time.monotonic() - self._seconds
        with self._lock:
            late = list(takewhile(lambda each: each[1].since <= limit, self._waiting.items()))
            for context, wait in late:
                wait.is_lost = True
                del self._waiting[context]
        return late
