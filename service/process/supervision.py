"""Keeps several processes running: starts them, watches them, starts them again when they end, and stops them.

Each part is a fresh interpreter, because gRPC's threads do not survive a fork. The first part starts alone; the others
start once it serves.
"""

import contextlib
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from service.process.failures import note
from service.process.stopping import on_stop

GRACE_SECONDS = 10.0
"""Seconds after the drain time at which a part that has not ended is killed."""
_log = logging.getLogger("paperfeed.workers")
Event = tuple[str, int, str | int]
"""("said", index of the part, line), ("ended", index, exit code) or ("signal", 0, signal number)."""


@dataclass(frozen=True)
class RestartPolicy:
    """When a part that ended is started again, and when everything ends.

    Attributes:
        steady_seconds: A part that lived this long is started again at once; its earlier failures no longer count.
        pause_seconds: Pause after the first early end of a part. It doubles with each further one in a row.
        max_database_pause_seconds: Longest pause between two starts while the database does not answer.
        max_failures: Everything ends after this many early ends of one part in a row.
    """

    steady_seconds: float = 30.0
    pause_seconds: float = 0.5
    max_database_pause_seconds: float = 15.0
    max_failures: int = 5


@dataclass(frozen=True)
class Part:
    """A process to keep running.

    Attributes:
        key: Its number or short name in the log.
        title: Its name in messages for people, such as ``server process 1``.
        command: The program and its arguments.
        first_line: Returns the line to write to its stdin at each start, from whether it has served before.
        is_serving: Whether a line on its stdout says that it serves.
        no_database_code: Exit code that says that the database does not answer; the part is then started again without
            limit. None if it has no such code.
    """

    key: int | str
    title: str
    command: tuple[str, ...]
    is_serving: Callable[[str], bool]
    first_line: Callable[[bool], str] = lambda _has_served: ""
    no_database_code: int | None = None


class Failures:
    """Counts how often in a row one part ended soon after its start or could not be started."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._count = 0

    def add(self, lived_seconds: float) -> float:
        """Count one end of the part; return the seconds to wait before the next start."""
        if lived_seconds >= self._policy.steady_seconds:
            self._count = 0
            return 0.0
        self._count += 1
        return self._policy.pause_seconds * 2.0 ** (self._count - 1)

    @property
    def are_too_many(self) -> bool:
        """Whether everything should end."""
        return self._count >= self._policy.max_failures


class _Running:
    """One of the parts, which stays, and its present process, which is replaced when it ends."""

    def __init__(self, index: int, part: Part, policy: RestartPolicy, events: "SimpleQueue[Event]") -> None:
        self.index = index
        self.part = part
        self.is_serving = False
        self.process: subprocess.Popen[str] | None = None
        self.starts_at: float | None = None
        self.failures = Failures(policy)
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
        # In a session of its own the process gets no Ctrl-C from the terminal; the supervision passes it on.
        process = subprocess.Popen(  # noqa: S603 (one of our own programs)
            self.part.command,
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
        if line := self.part.first_line(self._has_served):
            self.say(line)

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
        if code == self.part.no_database_code:
            # This is no failure of the part: it is started again until the database answers.
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
                    self._events.put(("said", self.index, line.strip()))
        code = process.wait()
        self._events.put(("ended", self.index, code))


class Supervision:
    """Keeps the parts running. Call ``run`` once, from the main thread.

    Args:
        noun: What a part is called in the log, such as ``worker``.
        drain_seconds: Time that the parts have to end after SIGTERM.
        hear: Called with the index and line of a part that wrote a line other than that it serves.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        noun: str,
        drain_seconds: float,
        policy: RestartPolicy = RestartPolicy(),
        hear: Callable[[int, str], None] = lambda _index, _line: None,
    ) -> None:
        self._policy = policy
        self._noun = noun
        self._drain_seconds = drain_seconds
        self._hear = hear
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._running = [_Running(index, part, policy, self._events) for index, part in enumerate(parts)]
        self._is_announced = False
        self._stops_at: float | None = None
        self._code = 0

    def run(self, announce: Callable[[], None]) -> int:
        """Keep the parts running until SIGTERM, SIGHUP or Ctrl-C; return the exit code.

        Args:
            announce: Called once, when all parts serve.
        """
        on_stop(lambda received: self._events.put(("signal", 0, received)))
        self._start(self._running[0])
        while self._stops_at is None or any(each.process for each in self._running):
            self._wait()
            if not self._is_announced and all(each.is_serving for each in self._running):
                self._is_announced = True
                announce()
        return self._code

    def tell_others(self, index: int, line: str) -> None:
        """Write a line to all parts but this one."""
        for each in self._running:
            if each.index != index:
                each.say(f"{line}\n")

    def _wait(self) -> None:
        """Wait for the next event or the next due time, and handle it."""
        due = [each.starts_at for each in self._running if each.starts_at is not None]
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
        for each in self._running:
            if self._stops_at is None and each.starts_at is not None and each.starts_at <= time.monotonic():
                self._start(each)

    def _kill(self) -> None:
        """Kill the parts that are still running after the drain time."""
        for each in self._running:
            if each.process is not None:
                _log.error(f"{self._noun} killed: it did not drain in time", extra={"facts": {"ended": each.part.key}})
                self._code = 1
                each.process.kill()
        self._stops_at = time.monotonic() + GRACE_SECONDS

    def _handle(self, kind: str, index: int, detail: str | int) -> None:
        if kind == "signal":
            self._stop()
        elif kind == "ended":
            self._handle_end(self._running[index], int(detail))
        elif self._running[index].part.is_serving(str(detail)):
            self._running[index].serves()
            self._hear_and_start_others(index, str(detail))
        else:
            self._hear(index, str(detail))

    def _hear_and_start_others(self, index: int, line: str) -> None:
        """Pass on the line that says that a part serves, and start the parts that have not been started yet."""
        self._hear(index, line)
        for each in self._running:
            if each.process is None and each.starts_at is None and self._stops_at is None:
                self._start(each)

    def _start(self, running: _Running) -> None:
        try:
            running.start()
        except OSError as error:
            # There may be room again later; the other parts serve meanwhile.
            problem = error.strerror or str(error)
            message, facts = f"{self._noun} could not be started; trying again", {"problem": problem}
            self._handle_failure(running, f"could not be started ({problem})", 1, message, facts)

    def _handle_end(self, running: _Running, code: int) -> None:
        if self._stops_at is None:
            message, facts = f"{self._noun} ended; starting it again", {"exit_code": code}
            # Until all parts have served, a missing database is a failed start like any other.
            is_failure = code != running.part.no_database_code or self._is_announced
            self._handle_failure(running, f"ended with exit code {code if is_failure else 1}", code, message, facts)
        else:
            running.ended(code)
            # A part that was still starting may end by SIGTERM itself.
            self._code = self._code or int(code not in {0, -signal.SIGTERM})

    def _handle_failure(
        self, running: _Running, problem: str, code: int, message: str, facts: Mapping[str, str | int]
    ) -> None:
        """Plan the next start, or end everything: after too many failures, or if not all parts have served yet."""
        wait = running.ended(code)
        lacks_database = code == running.part.no_database_code
        if lacks_database and not self._is_announced:
            code = 1
        facts = {"ended": running.part.key, **facts}
        if not self._is_announced or running.failures.are_too_many:
            # At the start the part has said on stderr what is wrong; its exit code tells wrong usage from failure.
            self._code = code if code > 0 and not self._is_announced else 1
            policy = self._policy
            lasted = f", {policy.max_failures} times in a row without {policy.steady_seconds:.0f} seconds of service"
            note(f"{running.part.title} {problem}{lasted if self._is_announced else ''}; giving up")
            self._stop()
        else:
            level = logging.ERROR
            if lacks_database:
                level = logging.WARNING
                message = f"the database does not answer; starting the {self._noun} again later"
            _log.log(level, message, extra={"facts": facts | {"after_seconds": wait}})

    def _stop(self) -> None:
        """Ask all parts to drain; a second call changes nothing."""
        if self._stops_at is None:
            self._stops_at = time.monotonic() + self._drain_seconds + GRACE_SECONDS
            for each in self._running:
                if each.process is not None:
                    each.process.terminate()
