"""Starts the server as its users do: in a process of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paperfeed.client import Client

ROOT = Path(__file__).parent.parent.parent
WAIT_SECONDS = 40.0


def settings(**values: object) -> dict[str, str]:
    """Return an environment with these PAPERFEED_ settings only.

    Default: encoder ``hashing``, no embedding cache, no exploration, no bundle needed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAPERFEED_")}
    given = {"encoder": "hashing", "embedding_cache": "none", "exploration": 0, "allow_cosine": "true"} | values
    return kept | {f"PAPERFEED_{name.upper()}": str(value) for name, value in given.items()}


def command(*arguments: object) -> list[str]:
    """Return the command line of ``paperfeed`` with these arguments."""
    return [sys.executable, "-m", "cli.main", *map(str, arguments)]


def eventually(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
    """Wait until the condition holds; return whether it did in time."""
    give_up_at = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return holds


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
        """Return a new client; close it."""
        return Client(self.address, **options)

    def log(self) -> list[dict[str, Any]]:
        """Return the entries of the log so far."""
        # The last line may be half written.
        lines = [line for line in self.log_path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def messages(self, text: str) -> list[dict[str, Any]]:
        """Return the log entries with this message."""
        return [entry for entry in self.log() if entry["message"] == text]

    def calls(self) -> dict[str, str]:
        """Return the status code of each finished call, by request id."""
        return {entry["request_id"]: entry["code"] for entry in self.messages("call")}

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self.process.kill()
        self.process.wait(timeout=10)

    def terminate(self) -> None:
        """Ask the process to end, and return at once."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self, timeout: float = WAIT_SECONDS) -> int:
        """Wait for the end of the process; return the exit code."""
        return self.process.wait(timeout=timeout)


@contextlib.contextmanager
def running(folder: Path, db: str, *, port: int = 0, module: str = "cli.main", **values: object) -> Iterator[Server]:
    """Start a server in a process of its own; kill it at the end if it is still there.

    Args:
        module: ``tests.process.quick_restarts`` starts a supervisor that restarts workers after a short pause, and
            ``tests.process.quick_statistics`` a server that often looks for new statistics.
    """
    log_path = folder / f"server-{time.monotonic_ns()}.log"
    arguments = ["serve"] if module == "cli.main" else []
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=settings(db=db, port=port, **values),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
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
