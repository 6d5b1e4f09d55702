"""Time limits for calls that wait for their clients."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import grpc

# How late a call may be cancelled, as a share of the time limit.
PRECISION = 0.1
_log = logging.getLogger("paperfeed.calls")


@dataclass(slots=True)
class Wait:
    """One call's wait for its client; ``is_lost`` is set when the call is cancelled for it."""

    method: str
    since: float
    is_lost: bool = False


class Patience:
    """Cancels calls that wait for their clients for longer than ``seconds``.

    grpcio itself waits without a limit for a message, and for room to send one. A cancellation from another thread ends
    that wait.

    Args:
        what: Description of the wait for the log, such as "to send its message".
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._lock = threading.Lock()
        # In order of their start.
        self._waiting: dict[grpc.ServicerContext, Wait] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="patience", daemon=True).start()

    @contextlib.contextmanager
    def with_client(self, context: grpc.ServicerContext, method: str) -> Iterator[Wait]:
        """Apply the time limit to a block that only waits for the call's client."""
        with self._lock:
            wait = self._waiting[context] = Wait(method, time.monotonic())
        try:
            yield wait
        finally:
            with self._lock:
                self._waiting.pop(context, None)

    def close(self) -> None:
        """End the thread that watches the time limit."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(PRECISION * self._seconds):
            for context, wait in self._late():
                facts = {"method": wait.method, "seconds": self._seconds}
                _log.warning(f"call cancelled: its client took too long {self._what}", extra={"facts": facts})
                context.cancel()

    def _late(self) -> list[tuple[grpc.ServicerContext, Wait]]:
        """Return the calls to cancel now, each only once."""
        limit = time.monotonic() - self._seconds
        with self._lock:
            late = list(takewhile(lambda each: each[1].since <= limit, self._waiting.items()))
            for context, wait in late:
                wait.is_lost = True
                del self._waiting[context]
        return late
