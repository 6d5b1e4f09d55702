"""Killed workers and killed jobs: every paper gets its vector, and none is embedded twice."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from batch.cluster import Cluster, open_cluster
from service.storage import SqlStore
from tests.batch.embed.catalogs import PAPERS, assert_whole, embed, stored
from tests.batch.embed.odd_encoders import SlowEncoder
from tests.batch.killing import descendants, is_alive, wait_for
from tests.batch.worlds import World
from tests.process.running import ROOT, settings

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_killed_worker(catalog: World, store: SqlStore) -> None:
    """If a worker is killed, its successor does its range."""
    killed: list[int] = []

    with open_cluster(workers=1) as cluster:

        def watch(done: int, _total: int) -> None:
            if done >= 20 and not killed:
                (pid,) = cluster.in_each_worker(os.getpid)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

        outcome = embed(catalog.url, cluster, partial(SlowEncoder, 0.02), watch)

    assert killed
    assert outcome.ready_count == PAPERS
    assert_whole(store)


_PROGRAM = """
import sys
from functools import partial
from batch.cluster import open_cluster
from batch.embed.coordinator import run
from batch.embed.worker import Cargo
from tests.batch.embed.odd_encoders import NAME, SlowEncoder

if __name__ == "__main__":
    cargo = Cargo(sys.argv[1], NAME, partial(SlowEncoder, 0.2))
    run(cargo, lambda: open_cluster(workers=2), lambda done, total: None, range_size=3_000)
"""


def test_killed_job(any_catalog: World, any_store: SqlStore, threads: Cluster, tmp_path: Path) -> None:
    """A killed job leaves no worker behind; the next run embeds the rest, and nothing twice."""
    program = tmp_path / "job.py"
    program.write_text(_PROGRAM, encoding="utf-8")
    environment = settings(db=any_catalog.url) | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(program), any_catalog.url], env=environment, cwd=ROOT)
    wait_for(lambda: len(stored(any_store)) >= 20)
    workers = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, workers)))
    done = len(stored(any_store))
    assert 20 <= done < PAPERS

    outcome = embed(any_catalog.url, threads)

    assert outcome.stored_count == PAPERS - done
    assert_whole(any_store)
