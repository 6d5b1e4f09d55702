"""A server in a process of its own for load to be put on, and what Linux says of its processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.startup import resident_megabytes


@dataclass(frozen=True)
class Served:
    """A server that listens."""

    process: subprocess.Popen[str]
    address: str

    def resident(self) -> tuple[float, float]:
        """Megabytes of the server's own process, and of all processes under it."""
        own, others = resident_megabytes(self.process.pid), 0.0
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError, RuntimeError):  # it may end while we look
                others += resident_megabytes(pid)
        return own, others


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and those they started."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text(encoding="ascii").split()):
                found += [child, *descendants(child)]
    return found


@contextlib.contextmanager
def served(db: str, log: Path, **settings: Any) -> Iterator[Served]:
    """``paperfeed serve`` with these settings and the defaults for all others, drained at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAPERFEED_")}
    environment |= {f"PAPERFEED_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--db", db]
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=file, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise RuntimeError(f"the server did not start: {log.read_text(encoding='utf-8')[-2000:]}")
            yield Served(process, line.removeprefix("listening on ").strip())
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()


def made_by(module: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a kept result says of its making."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "command": f"python -m {module} {' '.join(sys.argv[1:])}".strip(),
        **options,
        "load_average": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "commit": commit.stdout.strip(),
    }


def printed(result: dict[str, Any], *, as_json: bool) -> int:
    """Prints a result; 1 where a promise does not hold."""
    print(json.dumps(result, indent=None if as_json else 1))
    return int(not all(each["holds"] for each in result["benchmarks"]))
