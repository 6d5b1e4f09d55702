"""A running worker process: starting it, sending one request at a time with a deadline, and stopping it."""

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from service.app.ports import Vectors
from service.domain.errors import DeadlineTooShort
from service.encoder.frames import READ_BYTES, BrokenStream, Frame, receive_frame
from service.encoder.models import EncoderModel

# Folder of the package ``service``. The worker starts there, so that no file of the caller can shadow a module.
SOURCE_ROOT = Path(__file__).resolve().parents[2]
WORK = "embedding"


class ChildDied(Exception):
    """The process ended, hangs, or sends invalid frames. A new process may work."""


class ChildRefused(Exception):
    """The process cannot embed the texts. A new process could not either."""


class ModelRefused(Exception):
    """The process cannot load its model. A new process could not either."""


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
        command = [sys.executable, "-P", "-m", "service.encoder.worker", "--model", model.checked_source()]
        command += ["--device", device, "--threads", str(threads or 0), *(["--offline"] if model.is_offline else [])]
        self._socket, theirs = socket.socketpair()
        try:
            # In a new session, Ctrl-C reaches only the server, which may still answer calls while it drains.
            self._process = subprocess.Popen(  # noqa: S603 -- our own module; no shell
                command, stdin=theirs.fileno(), stdout=theirs.fileno(), cwd=SOURCE_ROOT, start_new_session=True
            )
        except OSError as error:
            self._socket.close()
            raise ChildDied(f"the encoder process cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
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
            ChildRefused: The process cannot embed these texts.
            ModelRefused: The process cannot load its model.
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
        """Kill the process and close the connection. The process has no state that could be lost."""
        self._process.kill()
        self._socket.close()
        self._process.wait()

    def _settle(self, deadline: float | None) -> None:
        """Wait until the process is ready: the model is loaded, and a request that timed out is answered."""
        if self._awaited is None:
            return
        reply = self._reply(deadline)
        if reply.header["id"] == 0:
            if "error" in reply.header:
                raise ModelRefused(str(reply.header["error"]))
            self._dim = int(reply.header["dim"])

    def _reply(self, deadline: float | None) -> Frame:
        """Send the rest of the present request, and return its reply."""
        hangs_at = self._awaited_since + self._hang_seconds
        until = hangs_at if deadline is None else min(deadline, hangs_at)
        try:
            while self._unsent:
                self._unsent = self._unsent[self._ready(until).send(self._unsent) :]
            frame = receive_frame(self._received, lambda: self._ready(until).recv(READ_BYTES))
        except TimeoutError:
            if time.monotonic() < hangs_at:
                raise DeadlineTooShort(WORK) from None
            raise ChildDied(f"the encoder process gave no answer for {self._hang_seconds:g} seconds") from None
        except OSError as error:
            raise ChildDied(f"the encoder process ended: {error.strerror}") from error
        except BrokenStream as error:
            raise ChildDied(str(error)) from error
        if frame is None:
            raise ChildDied("the encoder process ended")
        if frame.header.get("id") != self._awaited:
            raise ChildDied("the encoder process answered a request that was not made")
        self._awaited = None
        return frame

    def _ready(self, until: float) -> socket.socket:
        """Return the socket, whose next operation raises TimeoutError at the given time."""
        self._socket.settimeout(max(until - time.monotonic(), 1e-6))
        return self._socket
