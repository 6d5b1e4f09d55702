"""One running worker: starting it, one request at a time with a deadline, ending it."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from service.app.ports import Vectors
from service.domain.errors import DeadlineTooShort
from service.encoder.frames import BrokenStream, Frame, take_frame
from service.encoder.models import EncoderModel

# Where the package ``service`` lies: the worker starts there, so that nothing in the caller's folder can shadow it.
SOURCE_ROOT = Path(__file__).resolve().parents[2]
READ_BYTES = 1 << 20
WORK = "embedding"


class ChildDied(Exception):
    """The process ended, hangs, or sends what is not a frame; it is of no more use. Another one may do better."""


class ChildRefused(Exception):
    """The process works and says that it cannot do this; a new one would say the same."""


class Child:
    """A worker process. Used by one thread at a time; only ``kill`` may come from any.

    At most one request is inside the process. A request whose caller ran out of time stays there: the next caller
    first waits for its reply and drops it, so that replies never meet the wrong texts.
    """

    def __init__(self, model: EncoderModel, *, device: str, threads: int | None, hang_seconds: float) -> None:
        """Checks the model's files and starts the process; returns before the model is loaded.

        Args:
            hang_seconds: Loading, or one request, that takes longer is taken for a death.

        Raises:
            EncoderUnavailable: The model's files are not the right ones.
            ChildDied: The process cannot be started.
        """
        command = [sys.executable, "-m", "service.encoder.worker", "--model", model.checked_source()]
        command += ["--device", device, "--threads", str(threads or 0), *(["--offline"] if model.is_offline else [])]
        try:
            # A session of its own keeps Ctrl-C for the server, which may still be answering calls when it drains.
            self._process = subprocess.Popen(  # noqa: S603 -- our own module; no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                cwd=SOURCE_ROOT,
                start_new_session=True,
            )
        except OSError as error:
            raise ChildDied(f"the encoder process cannot be started: {error.strerror}") from error
        self._requests, self._replies = (
            pipe.fileno() for pipe in (self._process.stdin, self._process.stdout) if pipe is not None
        )
        os.set_blocking(self._requests, False)
        os.set_blocking(self._replies, False)
        self._hang_seconds = hang_seconds
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._dim = 0
        self._last_id = 0
        self._awaited: int | None = 0  # Reply 0 says that the model is loaded.
        self._awaited_since = time.monotonic()

    @property
    def pid(self) -> int:
        """Of the process, which may have ended."""
        return self._process.pid

    @property
    def is_loaded(self) -> bool:
        """The process has told that its model is loaded."""
        return self._dim > 0

    def dim(self, deadline: float | None) -> int:
        """Numbers in a vector; waits until the model is loaded. Raises as ``encode``."""
        self._settle(deadline)
        return self._dim

    def encode(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        """Unit vectors in the order of the texts; ``deadline`` is a time of ``time.monotonic``.

        Raises:
            DeadlineTooShort: The reply did not come in time; the process goes on and stays usable.
            ChildDied: See there.
            ChildRefused: See there.
        """
        self._settle(deadline)
        self._last_id += 1
        self._awaited, self._awaited_since = self._last_id, time.monotonic()
        self._unsent = memoryview(Frame({"id": self._last_id, "texts": list(texts)}).packed())
        reply = self._reply(deadline)
        if "error" in reply.header:
            raise ChildRefused(str(reply.header["error"]))
        try:
            vectors = reply.vectors()
        except BrokenStream as error:
            raise ChildDied(str(error)) from error
        if len(vectors) != len(texts):
            raise ChildDied(f"{len(vectors)} vectors for {len(texts)} texts")
        return vectors

    def kill(self) -> None:
        """Ends the process now; who waits for its reply gets ChildDied."""
        self._process.kill()

    def dispose(self) -> None:
        """Ends the process and frees its pipes. It holds nothing that a kill could lose."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _settle(self, deadline: float | None) -> None:
        """Waits until the process has nothing to do: it is loaded, and an abandoned request is answered."""
        if self._awaited is None:
            return
        reply = self._reply(deadline)
        if reply.header["id"] == 0:
            if "error" in reply.header:
                raise ChildRefused(str(reply.header["error"]))
            self._dim = int(reply.header["dim"])

    def _reply(self, deadline: float | None) -> Frame:
        """The reply to the one awaited request."""
        try:
            while (frame := take_frame(self._received)) is None:
                self._move_bytes(deadline)
        except BrokenStream as error:
            raise ChildDied(str(error)) from error
        if frame.header.get("id") != self._awaited:
            raise ChildDied("the encoder process answered a request that was not made")
        self._awaited = None
        return frame

    def _move_bytes(self, deadline: float | None) -> None:
        """Waits until the process takes or gives some bytes, and moves them."""
        hangs_at = self._awaited_since + self._hang_seconds
        until = hangs_at if deadline is None else min(deadline, hangs_at)
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        if self._unsent:
            poll.register(self._requests, select.POLLOUT)
        left = until - time.monotonic()
        ready = poll.poll(left * 1000) if left > 0 else []
        if not ready and time.monotonic() >= hangs_at:
            raise ChildDied(f"the encoder process gave no answer for {self._hang_seconds:g} seconds")
        if not ready and left <= 0:
            raise DeadlineTooShort(WORK)
        try:
            for descriptor, _ in ready:
                if descriptor == self._requests:
                    self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
                else:
                    self._receive()
        except BlockingIOError:
            return
        except OSError as error:
            raise ChildDied(f"the encoder process ended: {error.strerror}") from error

    def _receive(self) -> None:
        received = os.read(self._replies, READ_BYTES)
        if not received:
            raise ChildDied("the encoder process ended")
        self._received += received
