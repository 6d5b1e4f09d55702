"""Dask schedulers and workers that the job did not start, as on several machines."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from distributed import Client

from tests.batch.killing import wait_for
from tests.process.running import ROOT


@dataclass(frozen=True)
class Scheduler:
    """A running scheduler; workers find it by ``file``."""

    address: str
    file: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def started_scheduler(folder: Path) -> Iterator[Scheduler]:
    """Start a scheduler without workers."""
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        wait_for(lambda: file.exists() and '"address"' in file.read_text(encoding="utf-8"))
        yield Scheduler(json.loads(file.read_text(encoding="utf-8"))["address"], file, process)
        process.kill()


@contextlib.contextmanager
def started_worker(scheduler: Scheduler, folder: Path) -> Iterator[None]:
    """Start a worker with two threads for the scheduler."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(scheduler.file)]
    options = ["--nthreads", "2", "--no-dashboard", "--no-nanny", "--local-directory", str(folder / "scratch")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, *options], cwd=ROOT, **quiet) as process:
        with Client(scheduler.address, timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
        yield
        process.kill()
