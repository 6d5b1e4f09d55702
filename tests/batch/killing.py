"""Re-ranks in processes of their own, to be killed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from testing.calls import wait_until
from tests.batch.reranks import Rerank
from tests.batch.worlds import World
from tests.process.running import ROOT, settings

_PROGRAM = """
import sys
from pathlib import Path
from batch.cluster import open_cluster
from batch.rerank.coordinator import run
from tests.batch.reranks import Rerank
from tests.batch.worlds import World

if __name__ == "__main__":
    bundle, version, out, url = sys.argv[1:]
    rerank = Rerank(Path(bundle), version, Path(out))
    run(rerank.request(World(url, ())), lambda: open_cluster(workers=2), lambda done, total: None)
"""


def begin(rerank: Rerank, world: World, program: Path) -> subprocess.Popen[bytes]:
    """Start the run; the program is a file, because its workers import it again."""
    program.write_text(_PROGRAM, encoding="utf-8")
    command = [sys.executable, str(program), str(rerank.bundle), rerank.model_version, str(rerank.out), world.url]
    environment = settings(db=world.url) | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)


def parts(folder: Path) -> dict[str, int]:
    """Return the finished partitions, with the time at which each was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}


def partial(out: Path) -> Path:
    """Return the folder in which the output grows."""
    return out.with_name(f".{out.name}.partial")


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail the test if it does not in time."""
    wait_until(condition, seconds)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text(encoding="ascii").split()
    ]
    return [*children, *(below for child in children for below in descendants(child))]


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
