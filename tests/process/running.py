"""The server as its users start it: a process of its own, told apart from others by nothing but its arguments."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paperfeed.client import Client

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60.0


def settings(**values: object) -> dict[str, str]:
    """An environment with these PAPERFEED_ settings alone; unless told, ``hashing`` encodes and nothing is explored."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAPERFEED_")}
    given = {"encoder": "hashing", "exploration": 0} | values
    return kept | {f"PAPERFEED_{name.upper()}": str(value) for name, value in given.items()}


def command(*arguments: object) -> list[str]:
    """The command line of ``paperfeed`` with these arguments."""
    return [sys.executable, "-m", "cli.main", *map(str, arguments)]


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    process: subprocess.Popen[str]
    port: int
    log_path: Path

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def client(self, **options: Any) -> Client:
        """A client of it; close it."""
        return Client(self.address, **options)

    def log(self) -> list[dict[str, Any]]:
        """What it has logged, line by line."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]

    def calls(self) -> dict[str, str]:
        """Status code by request id of all calls that a handler ended."""
        return {entry["request_id"]: entry["code"] for entry in self.log() if entry["message"] == "call"}

    def kill(self) -> None:
        """Ends it as a power cut would: at once."""
        self.process.kill()
        self.process.wait(timeout=10)

    def terminate(self) -> None:
        """Asks it to end, and returns at once."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self, timeout: float = 40.0) -> int:
        """Waits for its end; gives the exit code."""
        return self.process.wait(timeout=timeout)


@contextlib.contextmanager
def running(folder: Path, db: str, *, port: int = 0, **values: object) -> Iterator[Server]:
    """A server in a process of its own; killed at the end if it is still there."""
    log_path = folder / f"server-{time.monotonic_ns()}.log"
    arguments = command("serve", "--port", port, "--db", db)
    with log_path.open("w") as log:
        process = subprocess.Popen(
            arguments, env=settings(**values), cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", first)
        assert found, f"{first!r}, exit code {process.poll()}: {log_path.read_text()[-2000:]}"
        yield Server(process, int(found[1]), log_path)
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()
