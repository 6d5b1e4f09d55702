"""Several server processes on one port, and the process that starts them, watches them and ends them.

Each is a fresh interpreter: gRPC's threads do not survive a fork. The first starts alone, makes the database if need
be, and is the one that embeds; the others follow when it serves.
"""

import contextlib
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from cli.output import note
from cli.shared_port import shared_port
from cli.worker import SERVING, first_line
from service.config import Settings

# A worker that served so long before it died is started again at once, and its earlier deaths are forgotten.
STEADY_SECONDS = 30.0
# Before the second start of one that died young; doubles each time.
BACKOFF_SECONDS = 0.5
MAX_DEATHS = 5
"""So many young deaths of one worker in a row end the service: whatever is wrong, starting again does not help."""
# What a worker may take beyond the time to drain before it is killed.
GRACE_SECONDS = 10.0
_log = logging.getLogger("paperfeed.workers")
Event = tuple[str, int, str | int]
"""("said", worker, word), ("ended", worker, exit code) or ("signal", 0, its number)."""


class _Worker:
    """One place among the workers, and the process that fills it at the moment."""

    def __init__(self, number: int, settings: Settings, events: "SimpleQueue[Event]") -> None:
        self.number = number
        self.is_serving = False
        self.process: subprocess.Popen[str] | None = None
        self.starts_at: float | None = None
        self._settings = settings
        self._events = events
        self._deaths = 0
        self._started_at = 0.0

    def start(self) -> None:
        """Starts the process; it says when it serves."""
        self.starts_at, self._started_at = None, time.monotonic()
        # A session of its own keeps Ctrl-C for the supervisor, which passes it on.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.say(first_line(self._settings, self.number))
        threading.Thread(target=self._watch, args=(self.process,), daemon=True).start()

    def say(self, line: str) -> None:
        """Writes a line to the process, if there is one."""
        if self.process is not None and self.process.stdin is not None:
            # Where it has just died, its watcher tells.
            with contextlib.suppress(OSError):
                self.process.stdin.write(line)
                self.process.stdin.flush()

    def died(self) -> float:
        """Takes note of its end; gives the seconds to wait before the next start."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.process, self.is_serving = None, False
        steady = time.monotonic() - self._started_at >= STEADY_SECONDS
        self._deaths = 1 if steady else self._deaths + 1
        wait = 0.0 if steady else BACKOFF_SECONDS * 2 ** (self._deaths - 1)
        self.starts_at = time.monotonic() + wait
        return wait

    @property
    def is_hopeless(self) -> bool:
        """Whether it has died young too often."""
        return self._deaths >= MAX_DEATHS

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        """Runs in a thread of its own."""
        if process.stdout is not None:
            with process.stdout:
                for line in process.stdout:
                    self._events.put(("said", self.number, line.strip()))
        code = process.wait()
        self._events.put(("ended", self.number, code))


class Workers:
    """The supervisor. ``run`` it once, from the main thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._workers: dict[int, _Worker] = {}
        self._is_announced = False
        self._stops_at: float | None = None
        self._code = 0

    def run(self, announce: Callable[[int], None]) -> int:
        """Serves until SIGTERM or Ctrl-C; gives the exit code.

        Args:
            announce: Called with the port once, when all workers serve.

        Raises:
            InvalidField: The port cannot be had.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: self._events.put(("signal", 0, received)))
        with shared_port(self._settings.host, self._settings.port) as port:
            settings = replace(self._settings, port=port)
            self._workers = {n: _Worker(n, settings, self._events) for n in range(1, settings.workers + 1)}
            self._workers[1].start()
            while self._stops_at is None or any(worker.process for worker in self._workers.values()):
                self._wait()
                if not self._is_announced and all(worker.is_serving for worker in self._workers.values()):
                    self._is_announced = True
                    announce(port)
        return self._code

    def _wait(self) -> None:
        """Until something happens or is due."""
        due = [worker.starts_at for worker in self._workers.values() if worker.starts_at is not None]
        until = min(due) if self._stops_at is None and due else self._stops_at
        try:
            event = self._events.get(timeout=None if until is None else max(until - time.monotonic(), 0.0))
        except Empty:
            self._due()
        else:
            self._happened(*event)

    def _due(self) -> None:
        for worker in self._workers.values():
            if self._stops_at is not None:
                if worker.process is not None:
                    _log.error("worker killed: it did not drain in time", extra={"facts": {"ended": worker.number}})
                    self._code = 1
                    worker.process.kill()
                self._stops_at = time.monotonic() + GRACE_SECONDS
            elif worker.starts_at is not None and worker.starts_at <= time.monotonic():
                worker.start()

    def _happened(self, what: str, number: int, detail: str | int) -> None:
        if what == "signal":
            self._stop()
        elif what == "ended":
            self._ended(self._workers[number], int(detail))
        elif detail == SERVING:
            self._workers[number].is_serving = True
            self._start_others()
        else:
            for worker in self._workers.values():
                if worker.number != number:
                    worker.say(f"{detail}\n")

    def _start_others(self) -> None:
        """Those that have not been started yet."""
        for worker in self._workers.values():
            if worker.process is None and worker.starts_at is None and self._stops_at is None:
                worker.start()

    def _ended(self, worker: _Worker, code: int) -> None:
        wait = worker.died()
        if self._stops_at is not None:
            # One that was still starting may know nothing of SIGTERM yet.
            self._code = self._code or int(code not in {0, -signal.SIGTERM})
            return
        facts = {"ended": worker.number, "exit_code": code}
        if not self._is_announced or worker.is_hopeless:
            # At the start the worker has said on stderr what is wrong, and its exit code says whose fault it is.
            self._code = code if code > 0 and not self._is_announced else 1
            times = "" if not self._is_announced else f", {MAX_DEATHS} times in a row soon after its start"
            note(f"server process {worker.number} ended with exit code {code}{times}; giving up")
            self._stop()
        else:
            _log.error("worker ended; it is started again", extra={"facts": facts | {"after_seconds": wait}})

    def _stop(self) -> None:
        """Asks all workers to drain; a second time changes nothing."""
        if self._stops_at is None:
            self._stops_at = time.monotonic() + self._settings.drain_seconds + GRACE_SECONDS
            for worker in self._workers.values():
                if worker.process is not None:
                    worker.process.terminate()
