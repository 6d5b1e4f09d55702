"""The encoder that the server uses: a worker process, started when there is text and stopped when there is none."""

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.app.ports import Vectors
from service.domain.errors import EncoderUnavailable
from service.encoder.child import Child, ChildDied, ChildRefused
from service.encoder.models import EncoderModel
from service.encoder.restarts import COOL_DOWN_SECONDS, Restarts
from service.encoder.turns import Turns

# One of the worker's batches. Slices twice as long were no faster, and an urgent call would wait twice as long: one
# slice of the longest abstracts takes one to three seconds on two processor cores.
SLICE_TEXTS = 32

logger = logging.getLogger(__name__)


class EncoderProcess:
    """An encoder in a child process; thread safe, and starts nothing before the first text.

    A worker that dies is started again and the slice it had is repeated; three deaths in a row fail the call, and all
    calls of the next seconds. The model's files are checked before every start.
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
        """Starts nothing yet. The first arguments are those of ``open_encoder``.

        Args:
            max_waiting: Calls that may wait, urgent and background ones counted apart.
            hang_seconds: A worker that loads, or works on one slice, for longer is killed.
            cool_down_seconds: How long calls fail at once after the encoder failed too often.
        """
        self._model = model
        self._idle_seconds = idle_seconds
        self._threads = threads
        self._device = device
        self._hang_seconds = hang_seconds
        self._turns = Turns(max_waiting=max_waiting)
        self._restarts = Restarts(cool_down_seconds=cool_down_seconds)
        self._child: Child | None = None  # Changed only by the thread that has the turn.
        self._used_at = 0.0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        """Stored with every vector."""
        return self._model.name

    @property
    def pid(self) -> int | None:
        """Of the worker; None while none runs."""
        child = self._child
        return None if child is None else child.pid

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """As ``ports.Encoder`` says; goes before background calls. The time to start the worker counts."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        return self._encode(texts, urgent=True, deadline=deadline)

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """As ``encode`` without a deadline; between its slices every waiting ``encode`` goes first."""
        return self._encode(texts, urgent=False, deadline=None)

    def close(self) -> None:
        """Ends the worker; calls in progress and later ones get EncoderUnavailable. Safe to repeat."""
        self._closed.set()
        self._restarts.stop_waiting()
        if (child := self._child) is not None:
            child.kill()
        with self._turns.turn(urgent=True):
            self._stop()

    def _encode(self, texts: Sequence[str], *, urgent: bool, deadline: float | None) -> Vectors:
        # Sorted over the whole call, not slice by slice, so that a batch pads as little as in one large call.
        order = np.argsort([-len(text) for text in texts], kind="stable")
        parts: list[tuple[npt.NDArray[np.intp], Vectors]] = []
        with self._turns.admission(urgent=urgent):
            for start in range(0, max(len(texts), 1), SLICE_TEXTS):
                rows = order[start : start + SLICE_TEXTS]
                with self._turns.turn(urgent=urgent, deadline=deadline):
                    parts.append((rows, self._encode_slice([texts[row] for row in rows], deadline)))
        vectors = np.empty((len(texts), parts[0][1].shape[1]), np.float32)
        for rows, part in parts:
            vectors[rows] = part
        return vectors

    def _encode_slice(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        """Needs the turn. No texts give (0, dim)."""
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
            except ChildRefused as error:
                self._refused(error)
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
            logger.info("encoder process %d started for %s", child.pid, self.name)
            if self._closed.is_set():
                # close() may have looked for a child just before this one was there.
                child.kill()
            if self._idle_seconds is not None:
                watch = (child, self._idle_seconds)
                threading.Thread(target=self._stop_when_idle, args=watch, name="encoder-idle", daemon=True).start()
        return self._child

    def _refused(self, error: ChildRefused) -> None:
        """A refusal to load ends the worker; a refused slice (texts it cannot embed) leaves it usable."""
        if self._child is not None and not self._child.is_loaded:
            self._stop()
            self._restarts.give_up(str(error))
        raise EncoderUnavailable(str(error)) from error

    def _stop_when_idle(self, child: Child, idle_seconds: float) -> None:
        """Runs in a thread of its own, until the child that it was started for is gone."""
        while self._child is child and not self._closed.is_set():
            left = self._used_at + idle_seconds - time.monotonic()
            if left > 0:
                self._closed.wait(left)
            else:
                # Waiting calls go first, and then the worker is no longer idle.
                with self._turns.turn(urgent=False):
                    if self._child is child and self._used_at + idle_seconds <= time.monotonic():
                        logger.info("encoder process %d stopped: idle", child.pid)
                        self._stop()

    def _stop(self) -> None:
        """Needs the turn."""
        child, self._child = self._child, None
        if child is not None:
            child.dispose()

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise EncoderUnavailable("it was closed")
