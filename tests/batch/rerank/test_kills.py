"""Killed workers and killed jobs: the right result or a clear error, never a row too few or too many."""

import os
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster, open_cluster
from batch.errors import PartitionFailed
from tests.batch.killing import begin, descendants, is_alive, partial, parts, wait_for
from tests.batch.reranks import Rerank
from tests.batch.worlds import World

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def expected(world: World, rerank: Rerank, threads: Cluster, tmp_path: Path) -> pa.Table:
    """The output of an undisturbed run."""
    rerank.run(rerank.request(world, out=tmp_path / "undisturbed"), threads)
    return pq.read_table(tmp_path / "undisturbed")


def test_killed_worker(world: World, rerank: Rerank, expected: pa.Table) -> None:
    """If a worker is killed, its successor does its partition and has everything it needs; the output is the same."""
    killed: list[int] = []

    with open_cluster(workers=1) as cluster:

        def watch(done: int, _total: int) -> None:
            # 10 users are two partitions: the next one runs.
            if done >= 10 and not killed:
                (pid,) = cluster.in_each_worker(os.getpid)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

        rerank.run(rerank.request(world), cluster, watch)

    assert killed
    assert pq.read_table(rerank.out).equals(expected)


def test_worker_killed_every_time(world: World, rerank: Rerank) -> None:
    """A partition that kills every worker ends the run with a clear error, and finished partitions are kept."""
    with open_cluster(workers=1) as cluster:
        cluster.client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))

        def watch(done: int, _total: int) -> None:
            if done >= 10:
                for pid in cluster.in_each_worker(os.getpid):
                    os.kill(pid, signal.SIGKILL)

        with pytest.raises(PartitionFailed, match=r"workers died at the same partition.*are done and kept"):
            rerank.run(rerank.request(world), cluster, watch)

    assert not rerank.out.exists()
    assert len(parts(partial(rerank.out))) >= 2


def test_killed_job(world: World, rerank: Rerank, threads: Cluster, expected: pa.Table, tmp_path: Path) -> None:
    """A killed job leaves no worker behind; the next run resumes it and repeats no finished partition."""
    process = begin(rerank, world, tmp_path / "job.py")
    wait_for(lambda: len(parts(partial(rerank.out))) >= 2)
    workers = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, workers)))
    done = parts(partial(rerank.out))
    assert not rerank.out.exists()

    outcome = rerank.run(rerank.request(world, as_of_given=False), threads)

    assert outcome.resumed >= len(done) >= 2
    assert done.items() <= parts(rerank.out).items()
    assert pq.read_table(rerank.out).equals(expected)
    assert not partial(rerank.out).exists()
