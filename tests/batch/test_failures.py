"""Killed workers, killed jobs, full disks: the right result or a clear error, never a row too few or too many."""

import os
import shutil
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster, open_cluster
from batch.errors import BatchError, ClusterUnavailable, OutputUnusable, PartitionFailed
from batch.rerank.coordinator import run
from batch.workspace import opened_workspace
from tests.batch.asking import Asking
from tests.batch.killing import begin, descendants, is_alive, partial, parts, wait_for
from tests.batch.remote import Scheduler
from tests.batch.small_disks import resized
from tests.batch.worlds import World, fill

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def expected(small_world: World, ask: Asking, cluster: Cluster, tmp_path: Path) -> pa.Table:
    """What an undisturbed run writes."""
    ask.run(ask.request(small_world, out=tmp_path / "undisturbed"), cluster)
    return pq.read_table(tmp_path / "undisturbed")


def test_killed_worker(small_world: World, ask: Asking, expected: pa.Table) -> None:
    """A worker killed in the middle costs nothing but time: its successor does its partition, with all it needs."""
    killed: list[int] = []

    with open_cluster(workers=1) as cluster:

        def watch(done: int, _total: int) -> None:
            # 20 users are two partitions: the next one is at work.
            if done >= 20 and not killed:
                (pid,) = cluster._client.run(os.getpid).values()
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

        ask.run(ask.request(small_world), cluster, watch)

    assert killed
    assert pq.read_table(ask.out).equals(expected)


def test_worker_killed_every_time(small_world: World, ask: Asking) -> None:
    """A partition that kills every worker is given up with a clear error, and what is done is kept."""
    with open_cluster(workers=1) as cluster:
        cluster._client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))

        def watch(done: int, _total: int) -> None:
            if done >= 20:
                for pid in cluster._client.run(os.getpid).values():
                    os.kill(pid, signal.SIGKILL)

        with pytest.raises(PartitionFailed, match=r"workers died at the same partition.*are done and kept"):
            ask.run(ask.request(small_world), cluster, watch)

    assert not ask.out.exists()
    assert len(parts(partial(ask.out))) >= 2


def test_killed_job(small_world: World, ask: Asking, cluster: Cluster, expected: pa.Table, tmp_path: Path) -> None:
    """A job killed in the middle leaves no worker behind, and goes on: what is done is not done again."""
    process = begin(ask, small_world, tmp_path / "job.py")
    wait_for(lambda: len(parts(partial(ask.out))) >= 2)
    workers = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, workers)))
    done = parts(partial(ask.out))
    assert not ask.out.exists()

    outcome = ask.run(ask.request(small_world, as_of_given=False), cluster)

    assert outcome.resumed >= len(done) >= 2
    assert done.items() <= parts(ask.out).items()
    assert pq.read_table(ask.out).equals(expected)
    assert not partial(ask.out).exists()


def test_damaged_partition_is_done_again(small_world: World, ask: Asking, cluster: Cluster, expected: pa.Table) -> None:
    """A file that lost its end in a power cut is no partition, and is written again."""
    with pytest.raises(KeyboardInterrupt):
        ask.run(ask.request(small_world), cluster, _interrupt)
    damaged = min(partial(ask.out).glob("part-*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-20])

    ask.run(ask.request(small_world), cluster)

    assert pq.read_table(ask.out).equals(expected)


def _interrupt(done: int, _total: int) -> None:
    if done >= 30:
        raise KeyboardInterrupt


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_full_disk(
    small_world: World, ask: Asking, cluster: Cluster, expected: pa.Table, small_disk: Path, share: float
) -> None:
    """A full disk, be it early or at the end, is an error that says so; with more room the same command ends well."""
    used: list[int] = []

    def look(_done: int, _total: int) -> None:
        disk = os.statvfs(small_disk)
        used.append((disk.f_blocks - disk.f_bfree) * disk.f_frsize)

    ask.run(ask.request(small_world, out=small_disk / "measured"), cluster, look)
    shutil.rmtree(small_disk / "measured")
    out = small_disk / "out"
    resized(small_disk, round(share * max(used)))

    with pytest.raises(BatchError, match="No space left on device"):
        ask.run(ask.request(small_world, out=out), cluster)

    assert not out.exists()
    assert not list(partial(out).glob(".*.tmp"))
    resized(small_disk, 10 * 2**20)
    ask.run(ask.request(small_world, out=out), cluster)
    assert pq.read_table(out).equals(expected)


def test_lost_database(ask: Asking, cluster: Cluster, tmp_path: Path) -> None:
    """A database that goes away is an error that says so; when it is back the same command ends well."""
    world = fill(f"sqlite:///{tmp_path / 'lost.db'}", 60)
    hidden = tmp_path / "hidden"
    hidden.mkdir()

    def watch(done: int, _total: int) -> None:
        if done == 0:
            for file in tmp_path.glob("lost.db*"):
                file.rename(hidden / file.name)
            (tmp_path / "lost.db").mkdir()

    with pytest.raises(PartitionFailed, match="the database is not available"):
        ask.run(ask.request(world), cluster, watch)

    (tmp_path / "lost.db").rmdir()
    for file in hidden.iterdir():
        file.rename(tmp_path / file.name)
    assert ask.run(ask.request(world), cluster).manifest["user_count"] == 60


def test_two_runs_at_a_time(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """A second run on the same folder is refused while the first one holds it."""
    with opened_workspace(ask.out), pytest.raises(OutputUnusable, match="another run is writing it"):
        ask.run(ask.request(small_world), cluster)


class TestRemoteCluster:
    """A scheduler and workers that were started by somebody else, as on several machines."""

    def test_is_used(
        self, small_world: World, ask: Asking, expected: pa.Table, scheduler: Scheduler, worker: None
    ) -> None:
        """Partitions go to its workers, two threads of one process included, and the result is the same."""
        run(
            ask.request(small_world),
            lambda: open_cluster(scheduler.address, connect_seconds=10),
            lambda _done, _total: None,
        )

        assert pq.read_table(ask.out).equals(expected)

    def test_is_lost(self, small_world: World, ask: Asking, scheduler: Scheduler, worker: None) -> None:
        """A scheduler that dies in the middle ends the run with a clear error; what is done is kept."""

        def watch(done: int, _total: int) -> None:
            if done >= 20:
                scheduler.process.kill()

        with pytest.raises(PartitionFailed, match=r"the Dask scheduler was lost \(\d+ of \d+ partitions are done"):
            run(ask.request(small_world), lambda: open_cluster(scheduler.address, connect_seconds=10), watch)

        assert not ask.out.exists()
        assert len(parts(partial(ask.out))) >= 2

    def test_without_workers(self, small_world: World, ask: Asking, scheduler: Scheduler) -> None:
        """A scheduler that nobody works for is an error, not a wait without end."""
        with pytest.raises(ClusterUnavailable, match="it has no workers"):
            run(
                ask.request(small_world),
                lambda: open_cluster(scheduler.address, connect_seconds=3),
                lambda _done, _total: None,
            )
