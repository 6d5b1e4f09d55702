"""The encoder of the server: a worker process that starts with the first text and stops when idle."""

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.app.ports import Vectors
from service.domain.errors import EncoderUnavailable
from service.encoder.call_queue import CallQueue
from service.encoder.child import Child, ChildDied, ChildRefused, ModelRefused
from service.encoder.models import EncoderModel
from service.encoder.restarts import COOL_DOWN_SECONDS, Restarts

# A batch of the worker. Slices of twice the size were not faster, but urgent calls would wait twice as long. A slice
# of the longest abstracts takes one to three seconds on two cores.
SLICE_TEXTS = 32

logger = logging.getLogger(__name__)


class EncoderProcess:
    """An encoder in a child process, which starts with the first text. Thread safe.

    If the worker dies, it is started again and its slice is repeated. After three deaths in a row, all calls fail for
    some seconds. The model's files are checked before every start.
    """

    def __init__(
        self,
        model: EncoderModel,
        *,
        idle_seconds: float | None = 300.0,
        threads: int | None = None,
        device: str = "cpu",
        max_waiting: int = 32,
        hang_seconds: float = 600.0,
        cool_down_seconds: float = COOL_DOWN_SECONDS,
    ) -> None:
        """Create the encoder without starting the worker. ``open_encoder`` documents the first arguments.

        Args:
            max_waiting: Maximum number of waiting urgent calls, and of waiting background calls.
            hang_seconds: A worker that takes longer to load, or for one slice, is killed.
            cool_down_seconds: Time in which all calls fail after the worker failed too often.
        """
        self._model = model
        self._idle_seconds = idle_seconds
        self._threads = threads
        self._device = device
        self._hang_seconds = hang_seconds
        self._queue = CallQueue(max_waiting=max_waiting)
        self._child: Child | None = None  # Changed only by the thread that holds the worker.
        self._used_at = 0.0
        self._closed = threading.Event()
        self._restarts = Restarts(self._closed, cool_down_seconds)

    @property
    def name(self) -> str:
        """Name that is stored with every vector."""
        return self._model.name

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None while none runs."""
        child = self._child
        return None if child is None else child.pid

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """See ``ports.Encoder``. Goes before background calls. ``timeout_seconds`` includes the worker's start."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        return self._encode(texts, urgent=True, deadline=deadline)

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``OpenedEncoder``."""
        return self._encode(texts, urgent=False, deadline=None)

    def close(self) -> None:
        """Stop the worker. Calls in progress and later calls raise EncoderUnavailable. May be repeated."""
        self._closed.set()
        if (child := self._child) is not None:
            child.kill()
        with self._queue.worker(urgent=True):
            self._stop()

    def _encode(self, texts: Sequence[str], *, urgent: bool, deadline: float | None) -> Vectors:
        # Sorted over the whole call, so that the texts of a batch have similar lengths and need little padding.
        order = np.argsort([-len(text) for text in texts], kind="stable")
        parts: list[tuple[npt.NDArray[np.intp], Vectors]] = []
        with self._queue.admitted(urgent=urgent):
            for start in range(0, max(len(texts), 1), SLICE_TEXTS):
                rows = order[start : start + SLICE_TEXTS]
                with self._queue.worker(urgent=urgent, deadline=deadline):
                    parts.append((rows, self._encode_slice([texts[row] for row in rows], deadline)))
        vectors = np.empty((len(texts), parts[0][1].shape[1]), np.float32)
        for rows, part in parts:
            vectors[rows] = part
        return vectors

    def _encode_slice(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        """Return the vectors of one slice; no texts give shape (0, dim). The caller holds the worker."""
        while True:
            try:
                child = self._running_child(deadline)
                self._used_at = time.monotonic()
                dim = child.dim(deadline)
                vectors = child.encode(texts, deadline) if texts else np.empty((0, dim), np.float32)
            except ChildDied as error:
                self._stop()
                self._raise_if_closed()
                logger.warning("encoder process failed: %s", error)
                self._restarts.failed(str(error))
            except ModelRefused as error:
                self._stop()
                self._restarts.give_up(str(error))
            except ChildRefused as error:
                raise EncoderUnavailable(str(error)) from error
            else:
                self._restarts.succeeded()
                self._used_at = time.monotonic()
                return vectors

    def _running_child(self, deadline: float | None) -> Child:
        self._raise_if_closed()
        if self._child is None:
            self._restarts.wait(deadline)
            self._raise_if_closed()
            child = Child(self._model, device=self._device, threads=self._threads, hang_seconds=self._hang_seconds)
            self._child, self._used_at = child, time.monotonic()
            logger.debug("encoder process %d started for %s", child.pid, self.name)
            if self._closed.is_set():
                # close() may have run just before the child was assigned.
                child.kill()
            if self._idle_seconds is not None:
                watch = (child, self._idle_seconds)
                threading.Thread(target=self._stop_when_idle, args=watch, name="encoder-idle", daemon=True).start()
        return self._child

    def _stop_when_idle(self, child: Child, idle_seconds: float) -> None:
        """Stop the child when it is idle. Runs in its own thread until this child is gone."""
        while self._child is child and not self._closed.is_set():
            left = self._used_at + idle_seconds - time.monotonic()
            if left > 0:
                self._closed.wait(left)
            else:
                # Waiting calls go first; after them the worker is not idle any more.
                with self._queue.worker(urgent=False):
                    if self._child is child and self._used_at + idle_seconds <= time.monotonic():
                        logger.debug("encoder process %d stopped: idle", child.pid)
                        self._stop()

    def _stop(self) -> None:
        """Stop the child, if any. The caller holds the worker."""
        child, self._child = self._child, None
        if child is not None:
            child.dispose()

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise EncoderUnavailable("it was closed")
