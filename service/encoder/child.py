"""A running worker process: starting it, sending one request at a time with a deadline, and stopping it."""

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

# Folder of the package ``service``. The worker starts there, so that no file of the caller can shadow a module.
SOURCE_ROOT = Path(__file__).resolve().parents[2]
READ_BYTES = 1 << 20
WORK = "embedding"


class ChildDied(Exception):
    """The process ended, hangs, or sends invalid frames. A new process may work."""


class ChildRefused(Exception):
    """The process works, but refuses the request. A new process would refuse it too."""


class Child:
    """A worker process. One thread at a time may use it, but any thread may call ``kill``.

    The process handles one request at a time. If a caller times out, its request stays: the next caller first waits for
    that reply and drops it, so that no reply is taken for another request.
    """

    def __init__(self, model: EncoderModel, *, device: str, threads: int | None, hang_seconds: float) -> None:
        """Check the model's files and start the process. Return before the model is loaded.

        Args:
            hang_seconds: Loading the model, or one request, that takes longer raises ChildDied.

        Raises:
            EncoderUnavailable: A file of the model is missing or wrong.
            ChildDied: The process cannot be started.
        """
        command = [sys.executable, "-m", "service.encoder.worker", "--model", model.checked_source()]
        command += ["--device", device, "--threads", str(threads or 0), *(["--offline"] if model.is_offline else [])]
        try:
            # In a new session, Ctrl-C reaches only the server, which may still answer calls while it drains.
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
        self._awaited: int | None = 0  # Reply 0: the model is loaded.
        self._awaited_since = time.monotonic()

    @property
    def pid(self) -> int:
        """Process id. The process may have ended."""
        return self._process.pid

    @property
    def is_loaded(self) -> bool:
        """Whether the process has loaded its model."""
        return self._dim > 0

    def dim(self, deadline: float | None) -> int:
        """Return the length of the vectors. Wait until the model is loaded. Raise as ``encode``."""
        self._settle(deadline)
        return self._dim

    def encode(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        """Return unit vectors in the order of the texts.

        Args:
            deadline: A time of ``time.monotonic``.

        Raises:
            DeadlineTooShort: The reply did not come in time. The process goes on and stays usable.
            ChildDied: The process ended, hangs or sent an invalid reply.
            ChildRefused: The process cannot load its model, or cannot embed these texts.
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
        """Kill the process. A thread that waits for its reply gets ChildDied."""
        self._process.kill()

    def dispose(self) -> None:
        """Kill the process and close its pipes. The process has no state that could be lost."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _settle(self, deadline: float | None) -> None:
        """Wait until the process is ready: the model is loaded, and a request that timed out is answered."""
        if self._awaited is None:
            return
        reply = self._reply(deadline)
        if reply.header["id"] == 0:
            if "error" in reply.header:
                raise ChildRefused(str(reply.header["error"]))
            self._dim = int(reply.header["dim"])

    def _reply(self, deadline: float | None) -> Frame:
        """Return the reply to the present request."""
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
        """Wait until the process can take or has sent some bytes, and move them."""
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
