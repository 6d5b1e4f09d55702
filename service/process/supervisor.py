"""The process that starts several server processes on one port, watches them and stops them.

Each worker is a fresh interpreter, because gRPC's threads do not survive a fork. The first worker starts alone: it
creates the database if needed, and it alone embeds papers. The others start once the first one serves.
"""

import contextlib
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from service.config import Settings
from service.process.failures import note
from service.process.ports import shared_port
from service.process.stopping import on_stop
from service.process.worker import NO_DATABASE, SERVING, first_line

GRACE_SECONDS = 10.0
"""Seconds after the drain time at which a worker that has not ended is killed."""
_log = logging.getLogger("paperfeed.workers")
Event = tuple[str, int, str | int]
"""("said", worker, line), ("ended", worker, exit code) or ("signal", 0, signal number)."""


@dataclass(frozen=True)
class RestartPolicy:
    """When a worker that ended is started again, and when the service gives up.

    Attributes:
        steady_seconds: A worker that lived this long is started again at once; its earlier failures no longer count.
        pause_seconds: Pause after the first early end of a worker. It doubles with each further one in a row.
        max_database_pause_seconds: Longest pause between two starts while the database does not answer.
        max_failures: The service ends after this many early ends of one worker in a row.
    """

    steady_seconds: float = 30.0
    pause_seconds: float = 0.5
    max_database_pause_seconds: float = 15.0
    max_failures: int = 5


class Failures:
    """Counts how often in a row one worker ended soon after its start or could not be started."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._count = 0

    def add(self, lived_seconds: float) -> float:
        """Count one end of the worker; return the seconds to wait before the next start."""
        if lived_seconds >= self._policy.steady_seconds:
            self._count = 0
            return 0.0
        self._count += 1
        return self._policy.pause_seconds * 2.0 ** (self._count - 1)

    @property
    def are_too_many(self) -> bool:
        """Whether the service should give up."""
        return self._count >= self._policy.max_failures


class _Worker:
    """One of the workers: its number, which stays, and its present process, which is replaced when it ends."""

    def __init__(self, number: int, settings: Settings, policy: RestartPolicy, events: "SimpleQueue[Event]") -> None:
        self.number = number
        self.is_serving = False
        self.process: subprocess.Popen[str] | None = None
        self.starts_at: float | None = None
        self.failures = Failures(policy)
        self._settings = settings
        self._policy = policy
        self._events = events
        self._starts_without_database = 0
        self._has_served = False
        self._started_at = 0.0

    def start(self) -> None:
        """Start the process; it reports when it serves.

        Raises:
            OSError: The system has no room for another process: no memory, process or file is left.
        """
        self.starts_at, self._started_at = None, time.monotonic()
        # In a session of its own the worker gets no Ctrl-C from the terminal; the supervisor passes it on.
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
            # A thread can fail for the same reasons as a process. A process that nobody watches must not stay.
            with process:
                process.kill()
            raise OSError(str(error)) from error
        self.process = process
        may_make = self.number == 1 and not self._has_served
        self.say(first_line(self._settings, self.number, may_make_database=may_make))

    def say(self, line: str) -> None:
        """Write a line to the process, if it is running."""
        if self.process is not None and self.process.stdin is not None:
            # If it has just ended, its watcher reports that.
            with contextlib.suppress(OSError):
                self.process.stdin.write(line)
                self.process.stdin.flush()

    def serves(self) -> None:
        """Note that the process has reported that it serves."""
        self.is_serving = self._has_served = True
        self._starts_without_database = 0

    def ended(self, code: int) -> float:
        """Note that the process ended; return the seconds to wait before the next start."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.process, self.is_serving = None, False
        if code == NO_DATABASE:
            # This is no failure of the worker: it is started again until the database answers.
            pause = self._policy.pause_seconds * 2.0**self._starts_without_database
            wait = min(pause, self._policy.max_database_pause_seconds)
            self._starts_without_database += 1
        else:
            wait = self.failures.add(time.monotonic() - self._started_at)
        self.starts_at = time.monotonic() + wait
        return wait

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        """Report the process's lines and its end; runs in a thread of its own."""
        if process.stdout is not None:
            with process.stdout:
                for line in process.stdout:
                    self._events.put(("said", self.number, line.strip()))
        code = process.wait()
        self._events.put(("ended", self.number, code))


class Supervisor:
    """Keeps ``settings.workers`` server processes running. Call ``run`` once, from the main thread."""

    def __init__(self, settings: Settings, policy: RestartPolicy = RestartPolicy()) -> None:
        self._settings = settings
        self._policy = policy
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._workers: dict[int, _Worker] = {}
        self._is_announced = False
        self._stops_at: float | None = None
        self._code = 0

    def run(self, announce: Callable[[int], None]) -> int:
        """Serve until SIGTERM, SIGHUP or Ctrl-C; return the exit code.

        Args:
            announce: Called once with the port, when all workers serve.

        Raises:
            InvalidField: The port cannot be used.
        """
        on_stop(lambda received: self._events.put(("signal", 0, received)))
        with shared_port(self._settings.host, self._settings.port) as port:
            settings = replace(self._settings, port=port)
            numbers = range(1, settings.workers + 1)
            self._workers = {number: _Worker(number, settings, self._policy, self._events) for number in numbers}
            self._start(self._workers[1])
            while self._stops_at is None or any(worker.process for worker in self._workers.values()):
                self._wait()
                if not self._is_announced and all(worker.is_serving for worker in self._workers.values()):
                    self._is_announced = True
                    announce(port)
        return self._code

    def _wait(self) -> None:
        """Wait for the next event or the next due time, and handle it."""
        due = [worker.starts_at for worker in self._workers.values() if worker.starts_at is not None]
        until = min(due) if self._stops_at is None and due else self._stops_at
        try:
            event = self._events.get(timeout=None if until is None else max(until - time.monotonic(), 0.0))
        except Empty:
            self._handle_due()
        else:
            self._handle(*event)

    def _handle_due(self) -> None:
        if self._stops_at is not None:
            self._kill()
        for worker in self._workers.values():
            if self._stops_at is None and worker.starts_at is not None and worker.starts_at <= time.monotonic():
                self._start(worker)

    def _kill(self) -> None:
        """Kill the workers that are still running after the drain time."""
        for worker in self._workers.values():
            if worker.process is not None:
                _log.error("worker killed: it did not drain in time", extra={"facts": {"ended": worker.number}})
                self._code = 1
                worker.process.kill()
        self._stops_at = time.monotonic() + GRACE_SECONDS

    def _handle(self, kind: str, number: int, detail: str | int) -> None:
        if kind == "signal":
            self._stop()
        elif kind == "ended":
            self._handle_end(self._workers[number], int(detail))
        elif detail == SERVING:
            self._workers[number].serves()
            self._start_others()
        else:
            for worker in self._workers.values():
                if worker.number != number:
                    worker.say(f"{detail}\n")

    def _start_others(self) -> None:
        """Start the workers that have not been started yet."""
        for worker in self._workers.values():
            if worker.process is None and worker.starts_at is None and self._stops_at is None:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        try:
            worker.start()
        except OSError as error:
            # There may be room again later; the other workers serve meanwhile.
            problem = error.strerror or str(error)
            message, facts = "worker could not be started; trying again", {"problem": problem}
            self._handle_failure(worker, f"could not be started ({problem})", 1, message, facts)

    def _handle_end(self, worker: _Worker, code: int) -> None:
        if self._stops_at is None:
            message, facts = "worker ended; starting it again", {"exit_code": code}
            # Until all workers have served, a missing database is a failed start like any other.
            shown = code if code != NO_DATABASE or self._is_announced else 1
            self._handle_failure(worker, f"ended with exit code {shown}", code, message, facts)
        else:
            worker.ended(code)
            # A worker that was still starting may end by SIGTERM itself.
            self._code = self._code or int(code not in {0, -signal.SIGTERM})

    def _handle_failure(
        self, worker: _Worker, problem: str, code: int, message: str, facts: Mapping[str, str | int]
    ) -> None:
        """Plan the next start, or end the service: after too many failures, or if not all workers have served yet."""
        wait = worker.ended(code)
        if code == NO_DATABASE and not self._is_announced:
            code = 1
        facts = {"ended": worker.number, **facts}
        if not self._is_announced or worker.failures.are_too_many:
            # At the start the worker has said on stderr what is wrong; its exit code tells wrong usage from failure.
            self._code = code if code > 0 and not self._is_announced else 1
            policy = self._policy
            lasted = f", {policy.max_failures} times in a row without {policy.steady_seconds:.0f} seconds of service"
            note(f"server process {worker.number} {problem}{lasted if self._is_announced else ''}; giving up")
            self._stop()
        else:
            level = logging.ERROR
            if code == NO_DATABASE:
                level, message = logging.WARNING, "the database does not answer; starting the worker again later"
            _log.log(level, message, extra={"facts": facts | {"after_seconds": wait}})

    def _stop(self) -> None:
        """Ask all workers to drain; a second call changes nothing."""
        if self._stops_at is None:
            self._stops_at = time.monotonic() + self._settings.drain_seconds + GRACE_SECONDS
            for worker in self._workers.values():
                if worker.process is not None:
                    worker.process.terminate()
