"""Full disks, lost databases and damaged files: the right result or a clear error."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import BatchError, OutputUnusable, PartitionFailed
from batch.workspace import opened_workspace
from tests.batch.killing import partial
from tests.batch.reranks import Rerank, rerank_with
from tests.batch.small_disks import resized
from tests.batch.worlds import World, fill


@pytest.fixture(scope="module")
def expected(world: World, bundle: Path, threads: Cluster, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The output of an undisturbed run."""
    rerank = rerank_with(bundle, tmp_path_factory.mktemp("undisturbed"))
    rerank.run(rerank.request(world), threads)
    return pq.read_table(rerank.out)


def test_damaged_partition_is_done_again(world: World, rerank: Rerank, threads: Cluster, expected: pa.Table) -> None:
    """A resumed run writes a file again if it lost its end in a power cut."""

    def interrupt(done: int, _total: int) -> None:
        if done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerank.run(rerank.request(world), threads, interrupt)
    damaged = min(partial(rerank.out).glob("part-*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-20])

    rerank.run(rerank.request(world), threads)

    assert pq.read_table(rerank.out).equals(expected)


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_full_disk(
    world: World, rerank: Rerank, threads: Cluster, expected: pa.Table, small_disk: Path, share: float
) -> None:
    """A full disk, early or at the end, is a clear error; with more room the same command succeeds."""
    used: list[int] = []

    def look(_done: int, _total: int) -> None:
        disk = os.statvfs(small_disk)
        used.append((disk.f_blocks - disk.f_bfree) * disk.f_frsize)

    rerank.run(rerank.request(world, out=small_disk / "measured"), threads, look)
    shutil.rmtree(small_disk / "measured")
    out = small_disk / "out"
    resized(small_disk, round(share * max(used)))

    with pytest.raises(BatchError, match="No space left on device"):
        rerank.run(rerank.request(world, out=out), threads)

    assert not out.exists()
    assert not list(partial(out).glob(".*.tmp"))
    resized(small_disk, 10 * 2**20)
    rerank.run(rerank.request(world, out=out), threads)
    assert pq.read_table(out).equals(expected)


def test_lost_database(rerank: Rerank, threads: Cluster, tmp_path: Path) -> None:
    """A lost database is a clear error; when it is back the same command succeeds."""
    world = fill(f"sqlite:///{tmp_path / 'lost.db'}", 20)
    hidden = tmp_path / "hidden"
    hidden.mkdir()

    def watch(done: int, _total: int) -> None:
        if done == 0:
            for file in tmp_path.glob("lost.db*"):
                file.rename(hidden / file.name)
            (tmp_path / "lost.db").mkdir()

    with pytest.raises(PartitionFailed, match="the database is not available"):
        rerank.run(rerank.request(world), threads, watch)

    (tmp_path / "lost.db").rmdir()
    for file in hidden.iterdir():
        file.rename(tmp_path / file.name)
    assert rerank.run(rerank.request(world), threads).manifest["user_count"] == 20


def test_two_runs_at_a_time(world: World, rerank: Rerank) -> None:
    """A second run on the same folder is refused while the first one holds it."""
    with opened_workspace(rerank.out), pytest.raises(OutputUnusable, match="another run is writing it"):
        rerank.run_alone(rerank.request(world))
