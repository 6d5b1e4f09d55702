"""Servers and clients under measurement, each a process of its own, and what the system says of them (Linux)."""

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
    """One that listens.

    Attributes:
        method: What is asked of it, as gRPC names it.
    """

    process: subprocess.Popen[str]
    address: str
    method: str

    @property
    def target(self) -> dict[str, str]:
        """The part of a caller's job that names it."""
        return {"address": self.address, "method": self.method}

    def cpu_seconds(self) -> float:
        """Processor time so far, of the server and the processes it started, in the system and outside."""
        return sum(_cpu_seconds(pid) for pid in _family(self.process.pid))

    def resident(self) -> tuple[float, float]:
        """Megabytes now, of the server's own process and of those it started."""
        own, *others = _family(self.process.pid)
        found = 0.0
        for pid in others:
            # It may end while we look.
            with contextlib.suppress(OSError, RuntimeError):
                found += resident_megabytes(pid)
        return resident_megabytes(own), found


def paperfeed(log_path: Path, *words: object, **settings: object) -> contextlib.AbstractContextManager[Server]:
    """``paperfeed serve`` with these further words and settings, asked for feeds; drained on leaving."""
    return serving(("cli.main", "serve", "--port", 0, *words), GET_FEED, log_path, **settings)


@contextlib.contextmanager
def serving(arguments: Sequence[object], method: str, log_path: Path, **settings: object) -> Iterator[Server]:
    """A server started with Python and these arguments; ended on leaving. It must say where it listens.

    Args:
        settings: The PAPERFEED_ settings it gets, alone.
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
            raise RuntimeError(f"no server: {log_path.read_text(encoding='utf-8')[-_MESSAGE_BYTES:]}")
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
    """Memory of a process, as Linux counts it."""
    return _status_megabytes(pid, "VmRSS")


def forget_peak() -> None:
    """From now on ``peak_megabytes`` counts anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_megabytes() -> float:
    """The most that this process had resident, since it started or forgot."""
    return _status_megabytes(os.getpid(), "VmHWM")


def _status_megabytes(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} in /proc")


def _family(pid: int) -> Iterator[int]:
    """A process, those it started and those they started."""
    yield pid
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text(encoding="ascii").split():
                yield from _family(int(child))


def _cpu_seconds(pid: int) -> float:
    # The name, in brackets, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass
class Heard:
    """What clients report of one job.

    Attributes:
        ends: By time.monotonic, of the calls that succeeded.
        milliseconds: Of each of these.
        failures: Calls by status code.
    """

    ends: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, answer: dict[str, Any]) -> None:
        """Takes one client's answer."""
        self.ends += answer["ends"]
        self.milliseconds += answer["milliseconds"]
        self.failures.update(answer["failures"])

    def all_succeeded(self) -> "Heard":
        """Itself.

        Raises:
            RuntimeError: A call failed.
        """
        if self.failures:
            raise RuntimeError(f"calls failed: {dict(self.failures)}")
        return self


class Callers:
    """Clients in processes of their own; see ``benchmarks.serving.caller``. Close it."""

    def __init__(self, count: int, requests: Sequence[bytes]) -> None:
        command = [sys.executable, "-m", "benchmarks.serving.caller"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._processes = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(count)]
        for number, process in enumerate(self._processes):
            # Each begins elsewhere: no two ask for the same user at a time.
            first = number * len(requests) // count
            mine = [each.hex() for each in (*requests[first:], *requests[:first])]
            _send(process, {"requests": mine})

    def run(self, job: dict[str, Any]) -> Heard:
        """All do the same job."""
        for number, process in enumerate(self._processes):
            _send(process, {**job, "seed": f"{job.get('seed', 0)}-{number}"})
        heard = Heard()
        for process in self._processes:
            assert process.stdout is not None
            heard.add(json.loads(process.stdout.readline()))
        return heard

    def close(self) -> None:
        """Ends them."""
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
