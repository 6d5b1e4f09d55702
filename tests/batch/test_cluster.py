"""Clusters: tasks and their results, clusters that the job did not start, and clusters without workers."""

import contextlib
import gc
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster, open_cluster
from batch.embed import worker as embedding
from batch.embed.coordinator import run as run_embedding
from batch.embed.worker import Cargo
from batch.errors import ClusterUnavailable, Failure, PartitionFailed
from batch.rerank import worker as ranking
from batch.rerank.coordinator import run
from tests.batch.embed.odd_encoders import NAME, NewEncoder
from tests.batch.killing import partial, parts
from tests.batch.remote import Scheduler
from tests.batch.reranks import Rerank
from tests.batch.worlds import World, fill


@dataclass(frozen=True)
class Given:
    """The shared data of a job."""

    addend: int


def add(given: Given, task: int) -> int | Failure:
    """Return the sum; tasks above 5 fail."""
    return given.addend + task if task <= 5 else Failure(f"{task} is too much")


class TestEach:
    """Tasks handed out to one worker thread."""

    def test_every_task_has_one_result(self, threads: Cluster) -> None:
        """Every task runs once, with the shared data; no task is no error."""
        found: list[int] = []

        threads.each("sums", add, Given(10), range(6), lambda result: found.append(result) or "")
        threads.each("none", add, Given(10), [], lambda result: found.append(result) or "")

        assert sorted(found) == [10, 11, 12, 13, 14, 15]

    def test_a_failure_ends_the_job(self, threads: Cluster) -> None:
        """After a failure no further task starts; the error has its words and counts tasks of earlier runs."""
        found: list[int] = []

        with pytest.raises(PartitionFailed, match=r"^6 is too much \(1[0-9] of 1010 partitions are done and kept"):
            threads.each("fails", add, Given(0), range(1000), lambda result: found.append(result) or "", done=10)

        assert sorted(found) == list(range(6))

    def test_a_bad_result_is_a_failure(self, threads: Cluster) -> None:
        """A problem that the coordinator finds with a result ends the job too."""
        with pytest.raises(PartitionFailed, match=r"^odd \(\d of 6 partitions"):
            threads.each("odd", add, Given(0), range(6), lambda result: "odd" if result % 2 else "")


class TestWithoutCluster:
    """Schedulers that do not answer."""

    def test_unreachable_scheduler(self, world: World, rerank: Rerank) -> None:
        """The error names the scheduler's address; no output appears."""
        request = rerank.request(world)

        with pytest.raises(ClusterUnavailable, match=r"tcp://127\.0\.0\.1:9: the scheduler does not answer"):
            run(request, lambda: open_cluster("tcp://127.0.0.1:9", connect_seconds=0.2), lambda _done, _total: None)

        assert not rerank.out.exists()

    def test_nonsense_address(self) -> None:
        """An invalid address is the same error."""
        with pytest.raises(ClusterUnavailable), open_cluster("nonsense://what", connect_seconds=0.2):
            pass


def open_sessions() -> int:
    """Return the number of jobs for which this process holds memory, encoders or connections."""
    gc.collect()
    return len(ranking._sessions) + len(embedding._sessions)


@pytest.mark.cluster
@pytest.mark.slow
def test_workers_keep_nothing_of_finished_jobs(world: World, rerank: Rerank, cluster: Cluster, tmp_path: Path) -> None:
    """A worker that lives on holds no papers, encoder, connections or password of a finished job."""
    catalog = fill(f"sqlite:///{tmp_path / 'catalog.db'}", 0)

    rerank.run(rerank.request(world), cluster)
    run_embedding(
        Cargo(catalog.url, NAME, NewEncoder), lambda: contextlib.nullcontext(cluster), lambda _done, _total: None
    )

    assert cluster.in_each_worker(open_sessions) == [0, 0]


@pytest.mark.cluster
@pytest.mark.slow
class TestRemoteCluster:
    """A scheduler and a worker that the job did not start, as on several machines."""

    def test_is_used(
        self, world: World, rerank: Rerank, threads: Cluster, scheduler: Scheduler, worker: None, tmp_path: Path
    ) -> None:
        """A worker process with two threads writes the same output."""
        rerank.run(rerank.request(world, out=tmp_path / "expected"), threads)

        run(rerank.request(world), lambda: open_cluster(scheduler.address), lambda _done, _total: None)

        assert pq.read_table(rerank.out).equals(pq.read_table(tmp_path / "expected"))

    def test_is_lost(self, world: World, rerank: Rerank, scheduler: Scheduler, worker: None) -> None:
        """A scheduler that dies ends the run with a clear error; finished partitions are kept."""

        def watch(done: int, _total: int) -> None:
            if done >= 10:
                scheduler.process.kill()

        with pytest.raises(PartitionFailed, match=r"the Dask scheduler was lost \(\d+ of \d+ partitions are done"):
            run(rerank.request(world), lambda: open_cluster(scheduler.address), watch)

        assert not rerank.out.exists()
        assert len(parts(partial(rerank.out))) >= 2

    def test_without_workers(self, world: World, rerank: Rerank, scheduler: Scheduler) -> None:
        """A scheduler without workers is an error, not an endless wait."""
        with pytest.raises(ClusterUnavailable, match="it has no workers"):
            run(
                rerank.request(world),
                lambda: open_cluster(scheduler.address, connect_seconds=3),
                lambda _done, _total: None,
            )
