"""Server and client processes to measure, and their processor time and memory according to Linux."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_MESSAGE_BYTES = 2_000
GET_FEED = "/paperfeed.v1.FeedService/GetFeed"


@dataclass(frozen=True)
class Server:
    """A server process that listens.

    Attributes:
        method: Full gRPC name of the method to call.
    """

    process: subprocess.Popen[str]
    address: str
    method: str

    @property
    def target(self) -> dict[str, str]:
        """Return the part of a caller's job that names the server."""
        return {"address": self.address, "method": self.method}

    def cpu_seconds(self) -> float:
        """Return the processor time so far of the server and its child processes, in user and system mode."""
        return cpu_seconds(*_family(self.process.pid))

    def resident(self) -> tuple[float, float]:
        """Return the resident megabytes now, of the server and of its child processes."""
        own, *others = _family(self.process.pid)
        found = 0.0
        for pid in others:
            # A child process may end at any time.
            with contextlib.suppress(OSError, RuntimeError):
                found += resident_megabytes(pid)
        return resident_megabytes(own), found


def paperfeed(log_path: Path, *words: object, **settings: object) -> contextlib.AbstractContextManager[Server]:
    """Run ``paperfeed serve`` with these arguments and settings, for calls of GetFeed; drain it at the end."""
    return serving(("cli.main", "serve", "--port", 0, *words), GET_FEED, log_path, **settings)


@contextlib.contextmanager
def serving(arguments: Sequence[object], method: str, log_path: Path, **settings: object) -> Iterator[Server]:
    """Run a server with ``python -m`` and these arguments; stop it at the end.

    Args:
        settings: PAPERFEED_ settings in lower case without the prefix; those of this process are not passed on.

    Raises:
        RuntimeError: The first line of output is not ``listening on HOST:PORT``.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAPERFEED_")}
    environment |= {f"PAPERFEED_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", *map(str, arguments)]
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        found = re.fullmatch(r"listening on (\S+)\n", process.stdout.readline())
        if found is None:
            raise RuntimeError(f"the server did not start: {log_path.read_text(encoding='utf-8')[-_MESSAGE_BYTES:]}")
        yield Server(process, found[1], method)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    return _status_megabytes(pid, "VmRSS")


def reset_peak() -> None:
    """Reset the peak memory of this process."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_megabytes(pid: int | None = None) -> float:
    """Return the peak resident memory of a process, by default this one, since its start or ``reset_peak``."""
    return _status_megabytes(pid or os.getpid(), "VmHWM")


def _status_megabytes(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/status has no {name}; this needs Linux")


def _family(pid: int) -> Iterator[int]:
    """Yield the process and all its descendants."""
    yield pid
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text(encoding="ascii").split():
                yield from _family(int(child))


def cpu_seconds(*pids: int) -> float:
    """Return the processor time so far of the processes, in user and system mode."""
    ticks = 0
    for pid in pids:
        # The program's name, in brackets, may contain spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


@dataclass
class Heard:
    """The measurements of all clients in one job.

    Attributes:
        ends: End of each successful call, by time.monotonic.
        milliseconds: Time of each successful call.
        failures: Number of failed calls by status code.
    """

    ends: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, answer: dict[str, Any]) -> None:
        """Add the answer of one client."""
        self.ends += answer["ends"]
        self.milliseconds += answer["milliseconds"]
        self.failures.update(answer["failures"])

    def all_succeeded(self) -> "Heard":
        """Return itself if no call failed.

        Raises:
            RuntimeError: A call failed.
        """
        if self.failures:
            raise RuntimeError(f"calls failed: {dict(self.failures)}")
        return self


class Callers:
    """Client processes that run ``benchmarks.serving.caller``. Call ``close`` at the end."""

    def __init__(self, count: int, requests: Sequence[bytes]) -> None:
        command = [sys.executable, "-m", "benchmarks.serving.caller"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._processes = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(count)]
        for number, process in enumerate(self._processes):
            # Each client begins with another request, so that no two call for the same user at a time.
            first = number * len(requests) // count
            mine = [each.hex() for each in (*requests[first:], *requests[:first])]
            _send(process, {"requests": mine})

    def run(self, job: dict[str, Any]) -> Heard:
        """Let all clients do the same job at the same time, and return their measurements."""
        for number, process in enumerate(self._processes):
            _send(process, {**job, "seed": f"{job.get('seed', 0)}-{number}"})
        heard = Heard()
        for process in self._processes:
            assert process.stdout is not None
            heard.add(json.loads(process.stdout.readline()))
        return heard

    def close(self) -> None:
        """End the client processes."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)
            assert process.stdout is not None
            process.stdout.close()


def _send(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
