"""Helpers of the tests of the worker process: waiting, freezing, and checking whether a process runs."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.encoder.models import HASHING, find_model
from service.encoder.process import EncoderProcess


def hashing_process(**options: object) -> EncoderProcess:
    """Return an encoder in a real worker process that starts in a fraction of a second."""
    return EncoderProcess(find_model(HASHING), **options)  # type: ignore[arg-type]


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Return whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def runs(pid: int) -> bool:
    """Return whether a process of this id runs. A zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@contextmanager
def frozen(encoder: EncoderProcess) -> Iterator[int]:
    """Stop the worker for the time of the block. Return its process id."""
    encoder.encode(["start"])
    pid = encoder.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        if runs(pid):
            os.kill(pid, signal.SIGCONT)


class InThread:
    """A call in a thread. ``result`` returns its result or raises its error."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._outcome: object = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def result(self, seconds: float = 60.0) -> object:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the call did not end"
        if self._error is not None:
            raise self._error
        return self._outcome

    def _run(self) -> None:
        try:
            self._outcome = self._call()
        except Exception as error:  # noqa: BLE001 -- raised again by result
            self._error = error
