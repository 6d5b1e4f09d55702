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
from collections.abc import Callable, Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue

from cli.output import note
from service.config import Settings
from service.process.ports import shared_port
from service.process.stopping import on_stop
from service.process.worker import NO_DATABASE, SERVING, first_line

# A worker that served so long before it died is started again at once, and its earlier deaths are forgotten.
STEADY_SECONDS = 30.0
# After the first young death; doubles each time.
BACKOFF_SECONDS = 0.5
# The longest pause before another start while the database does not answer.
MAX_BACKOFF_SECONDS = 15.0
MAX_DEATHS = 5
"""So many young deaths of one worker in a row end the service: whatever is wrong, starting again does not help."""
# What a worker may take beyond the time to drain before it is killed.
GRACE_SECONDS = 10.0
_log = logging.getLogger("paperfeed.workers")
Event = tuple[str, int, str | int]
"""("said", worker, word), ("ended", worker, exit code) or ("signal", 0, its number)."""


class Deaths:
    """Of one worker: those in a row that came soon after its start. A start that fails is one too."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, lived_seconds: float) -> float:
        """Counts one; gives the seconds to wait before the next start."""
        if lived_seconds >= STEADY_SECONDS:
            self._count = 0
            return 0.0
        self._count += 1
        return BACKOFF_SECONDS * 2.0 ** (self._count - 1)

    @property
    def are_too_many(self) -> bool:
        """Whether to give up."""
        return self._count >= MAX_DEATHS


class _Worker:
    """One place among the workers, and the process that fills it at the moment."""

    def __init__(self, number: int, settings: Settings, events: "SimpleQueue[Event]") -> None:
        self.number = number
        self.is_serving = False
        self.process: subprocess.Popen[str] | None = None
        self.starts_at: float | None = None
        self.deaths = Deaths()
        self._settings = settings
        self._events = events
        self._vain_starts = 0
        self._has_served = False
        self._started_at = 0.0

    def start(self) -> None:
        """Starts the process; it says when it serves.

        Raises:
            OSError: There is no room for one more, in processes, memory or files.
        """
        self.starts_at, self._started_at = None, time.monotonic()
        # A session of its own keeps Ctrl-C for the supervisor, which passes it on.
        process = subprocess.Popen(
            [sys.executable, "-m", "service.process.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        except RuntimeError as error:
            # A thread needs the same room as a process. One that nobody watches must not stay.
            with process:
                process.kill()
            raise OSError(str(error)) from error
        self.process = process
        may_make = self.number == 1 and not self._has_served
        self.say(first_line(self._settings, self.number, may_make_database=may_make))

    def say(self, line: str) -> None:
        """Writes a line to the process, if there is one."""
        if self.process is not None and self.process.stdin is not None:
            # Where it has just died, its watcher tells.
            with contextlib.suppress(OSError):
                self.process.stdin.write(line)
                self.process.stdin.flush()

    def serves(self) -> None:
        """It has said so."""
        self.is_serving = self._has_served = True
        self._vain_starts = 0

    def died(self, code: int) -> float:
        """Takes note of its end; gives the seconds to wait before the next start."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.process, self.is_serving = None, False
        if code == NO_DATABASE:
            # Nothing is wrong with it: it is tried again until the database answers.
            wait = min(BACKOFF_SECONDS * 2.0**self._vain_starts, MAX_BACKOFF_SECONDS)
            self._vain_starts += 1
        else:
            wait = self.deaths.add(time.monotonic() - self._started_at)
        self.starts_at = time.monotonic() + wait
        return wait

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
        """Serves until SIGTERM, SIGHUP or Ctrl-C; gives the exit code.

        Args:
            announce: Called with the port once, when all workers serve.

        Raises:
            InvalidField: The port cannot be had.
        """
        on_stop(lambda received: self._events.put(("signal", 0, received)))
        with shared_port(self._settings.host, self._settings.port) as port:
            settings = replace(self._settings, port=port)
            self._workers = {n: _Worker(n, settings, self._events) for n in range(1, settings.workers + 1)}
            self._start(self._workers[1])
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
        if self._stops_at is not None:
            self._kill()
        for worker in self._workers.values():
            if self._stops_at is None and worker.starts_at is not None and worker.starts_at <= time.monotonic():
                self._start(worker)

    def _kill(self) -> None:
        """Ends those that are still there when the time to drain is over."""
        for worker in self._workers.values():
            if worker.process is not None:
                _log.error("worker killed: it did not drain in time", extra={"facts": {"ended": worker.number}})
                self._code = 1
                worker.process.kill()
        self._stops_at = time.monotonic() + GRACE_SECONDS

    def _happened(self, what: str, number: int, detail: str | int) -> None:
        if what == "signal":
            self._stop()
        elif what == "ended":
            self._ended(self._workers[number], int(detail))
        elif detail == SERVING:
            self._workers[number].serves()
            self._start_others()
        else:
            for worker in self._workers.values():
                if worker.number != number:
                    worker.say(f"{detail}\n")

    def _start_others(self) -> None:
        """Those that have not been started yet."""
        for worker in self._workers.values():
            if worker.process is None and worker.starts_at is None and self._stops_at is None:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        try:
            worker.start()
        except OSError as error:
            # It may pass, and the others serve meanwhile.
            problem = error.strerror or str(error)
            message, facts = "worker could not be started; it is tried again", {"problem": problem}
            self._failed(worker, f"could not be started ({problem})", 1, message, facts)

    def _ended(self, worker: _Worker, code: int) -> None:
        if self._stops_at is None:
            message, facts = "worker ended; it is started again", {"exit_code": code}
            # Before all have served it is a start that failed, like any other.
            shown = code if code != NO_DATABASE or self._is_announced else 1
            self._failed(worker, f"ended with exit code {shown}", code, message, facts)
        else:
            worker.died(code)
            # One that was still starting may know nothing of SIGTERM yet.
            self._code = self._code or int(code not in {0, -signal.SIGTERM})

    def _failed(self, worker: _Worker, how: str, code: int, message: str, facts: Mapping[str, str | int]) -> None:
        """The worker is started again after a while; too often, or before all served, ends the service."""
        wait = worker.died(code)
        if code == NO_DATABASE and not self._is_announced:
            code = 1
        facts = {"ended": worker.number, **facts}
        if not self._is_announced or worker.deaths.are_too_many:
            # At the start the worker has said on stderr what is wrong, and its exit code says whose fault it is.
            self._code = code if code > 0 and not self._is_announced else 1
            lasted = f"{MAX_DEATHS} times in a row without {STEADY_SECONDS:.0f} seconds of service"
            note(f"server process {worker.number} {how}{f', {lasted}' if self._is_announced else ''}; giving up")
            self._stop()
        elif code == NO_DATABASE:
            _log.warning(
                "server process is tried again: the database does not answer",
                extra={"facts": facts | {"after_seconds": wait}},
            )
        else:
            _log.error(message, extra={"facts": facts | {"after_seconds": wait}})

    def _stop(self) -> None:
        """Asks all workers to drain; a second time changes nothing."""
        if self._stops_at is None:
            self._stops_at = time.monotonic() + self._settings.drain_seconds + GRACE_SECONDS
            for worker in self._workers.values():
                if worker.process is not None:
                    worker.process.terminate()
