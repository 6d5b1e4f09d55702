"""Every text gets its vector once, whoever is killed, whatever is full, and whatever changes meanwhile."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from batch.cluster import Cluster, open_cluster
from batch.embed import worker as embedding
from batch.embed.coordinator import Outcome, Watcher, run
from batch.embed.worker import Cargo, Done, Failure, PaperRange, WorkerEncoder, ranges_of
from batch.errors import PartitionFailed
from service.app.ports import Vectors
from service.domain.papers import EmbeddingState, Paper, embedding_text
from service.encoder import HashingEncoder
from service.storage import SqlStore, open_store, schema
from tests.batch.asking import no_cluster
from tests.batch.embed.odd_encoders import NAME, ClosingEncoder, MeddlingEncoder, NewEncoder, PickyEncoder, SlowEncoder
from tests.batch.killing import descendants, is_alive, wait_for
from tests.batch.small_disks import resized
from tests.batch.worlds import DIGEST_SIZE, LIBRARY_SIZE, NOW, World, fill, library, write_papers
from tests.databases import postgres_schema, require_postgres
from tests.process.running import ROOT, settings

PAPERS = LIBRARY_SIZE + DIGEST_SIZE
RANGE_SIZE = 3_000
"""Characters of some ten papers."""

pytestmark = pytest.mark.cluster


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Three hundred papers, all but five with vectors of the hashing encoder; on each engine."""
    if request.param == "sqlite":
        yield fill(f"sqlite:///{tmp_path / 'catalog.db'}", 0)
    else:
        require_postgres()
        with postgres_schema() as url:
            yield fill(url, 0)


@pytest.fixture
def store(catalog: World) -> Iterator[SqlStore]:
    """The catalog's."""
    store = open_store(catalog.url)
    yield store
    store.dispose()


def embed(
    url: str,
    cluster: Cluster,
    open_encoder: Callable[[], WorkerEncoder] = NewEncoder,
    watch: Watcher = lambda _done, _total: None,
) -> Outcome:
    """Runs the job, in small ranges."""
    return run(Cargo(url, NAME, open_encoder), lambda: nullcontext(cluster), watch, range_size=RANGE_SIZE)


def stored(store: SqlStore, encoder: str = NAME) -> dict[str, Vectors]:
    """All vectors of the encoder."""
    with store.read() as tx:
        ids, vectors = tx.papers.all_vectors(encoder)
    return dict(zip(ids, vectors, strict=True))


def expected(store: SqlStore) -> dict[str, Vectors]:
    """The vector of each paper's present text."""
    with store.read() as tx:
        papers = tx.papers.page(after="", limit=10_000)
    vectors = HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in papers])
    return {paper.paper_id: vector for paper, vector in zip(papers, vectors, strict=True)}


def assert_whole(store: SqlStore) -> None:
    """Every paper has the vector of its present text."""
    found, wanted = stored(store), expected(store)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[paper_id], wanted[paper_id]) for paper_id in wanted)


def test_whole_catalog(catalog: World, store: SqlStore, cluster: Cluster) -> None:
    """All texts get vectors of the new encoder, those of the old one stay; a second run finds nothing to do."""
    old = stored(store, HashingEncoder.name)
    told: list[tuple[int, int]] = []

    outcome = embed(catalog.url, cluster, watch=lambda done, total: told.append((done, total)))

    assert (outcome.stored_count, outcome.ready_count, outcome.failed_count) == (PAPERS, PAPERS, 0)
    assert outcome.range_count > 5
    assert told[0] == (0, PAPERS)
    assert told[-1] == (PAPERS, PAPERS)
    assert_whole(store)
    assert stored(store, HashingEncoder.name).keys() == old.keys()
    again = run(Cargo(catalog.url, NAME, NewEncoder), no_cluster, lambda _done, _total: None)
    assert (again.stored_count, again.ready_count, again.range_count) == (0, PAPERS, 0)


def test_only_what_waits(catalog: World, store: SqlStore, cluster: Cluster) -> None:
    """Where most vectors are there, only the texts without one are embedded."""
    cargo = Cargo(catalog.url, HashingEncoder.name, HashingEncoder)

    outcome = run(cargo, lambda: nullcontext(cluster), lambda _done, _total: None)

    assert (outcome.stored_count, outcome.ready_count) == (5, PAPERS)


def test_changes_meanwhile(catalog: World, store: SqlStore, cluster: Cluster) -> None:
    """A text changed while it is encoded gets the vector of the new text; deleted and new papers are kept up with."""
    meddling = partial(MeddlingEncoder, catalog.url, changed="d0000", deleted="d0001", new="d9999")

    outcome = embed(catalog.url, cluster, meddling)

    assert_whole(store)
    assert {"d0000", "d9999"} < stored(store).keys()
    assert "d0001" not in stored(store)
    assert (outcome.ready_count, outcome.pending_count) == (PAPERS, 0)


def test_a_text_that_cannot_be_embedded(catalog: World, store: SqlStore, cluster: Cluster) -> None:
    """One bad text is marked FAILED and not tried again; its neighbours get their vectors."""
    with store.write() as tx:
        tx.papers.upsert([Paper("d0002", "A poison")], NOW)

    outcome = embed(catalog.url, cluster, partial(PickyEncoder, ("poison",)))

    assert (outcome.failed_count, outcome.ready_count, outcome.pending_count) == (1, PAPERS - 1, 0)
    with store.read() as tx:
        assert tx.papers.find_many(["d0002"])["d0002"].embedding_state is EmbeddingState.FAILED


def test_an_encoder_that_does_not_work(catalog: World, store: SqlStore, cluster: Cluster) -> None:
    """It ends the run with its own words; no text is blamed."""
    with pytest.raises(PartitionFailed, match=r"the encoder is not available: a text that it does not take \(0 of"):
        embed(catalog.url, cluster, partial(PickyEncoder, ("",)))

    with store.read() as tx:
        assert tx.papers.pending_count(NAME) == PAPERS


def test_workers_with_another_model(catalog: World, cluster: Cluster) -> None:
    """Workers whose files give another encoder store nothing under this one's name."""
    with pytest.raises(PartitionFailed, match="a worker's files make it hashing-384, not new-384"):
        embed(catalog.url, cluster, HashingEncoder)


def test_two_jobs_on_one_worker(catalog: World, store: SqlStore) -> None:
    """Two jobs of two encoders that share a process embed beside each other, each with the encoder that it opened."""
    cargoes = [Cargo(catalog.url, name, partial(ClosingEncoder, 0.05, name)) for name in ("one", "other")]
    found: list[Done | Failure] = []

    def work(cargo: Cargo) -> None:
        ranges = PaperRange("", "d0009", 10), PaperRange("d0009", "d0019", 10)
        found.extend(embedding.embed(cargo, papers) for papers in ranges)

    threads = [threading.Thread(target=work, args=(cargo,)) for cargo in cargoes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(type(each), getattr(each, "stored_count", 0)) for each in found] == [(Done, 10)] * 4
    assert [len(stored(store, cargo.encoder)) for cargo in cargoes] == [20, 20]


def open_sessions() -> int:
    """How many jobs this process holds an encoder and connections for."""
    gc.collect()
    return len(embedding._sessions)


def test_workers_keep_nothing_of_a_finished_job(catalog: World, cluster: Cluster) -> None:
    """A worker that lives on holds neither the encoder nor the database's connections and password."""
    embed(catalog.url, cluster)

    assert set(cluster.in_each_worker(open_sessions)) == {0}


@pytest.mark.slow
def test_killed_worker(catalog: World, store: SqlStore) -> None:
    """A worker killed in the middle costs nothing but time: its successor does its range."""
    killed: list[int] = []

    with open_cluster(workers=1) as cluster:

        def watch(done: int, _total: int) -> None:
            if done >= 20 and not killed:
                (pid,) = cluster._client.run(os.getpid).values()
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


@pytest.mark.slow
def test_killed_job(catalog: World, store: SqlStore, cluster: Cluster, tmp_path: Path) -> None:
    """A job killed in the middle leaves no worker behind; run again it embeds the rest, and nothing twice."""
    program = tmp_path / "job.py"
    program.write_text(_PROGRAM, encoding="utf-8")
    environment = settings(db=catalog.url) | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(program), catalog.url], env=environment, cwd=ROOT)
    wait_for(lambda: len(stored(store)) >= 20)
    workers = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, workers)))
    done = len(stored(store))
    assert 20 <= done < PAPERS

    outcome = embed(catalog.url, cluster)

    assert outcome.stored_count == PAPERS - done
    assert_whole(store)


@pytest.mark.slow
def test_lost_database(cluster: Cluster, tmp_path: Path) -> None:
    """A database that goes away is an error that says so; when it is back the same command goes on."""
    world = fill(f"sqlite:///{tmp_path / 'lost.db'}", 0)
    hidden = tmp_path / "hidden"
    hidden.mkdir()

    def watch(done: int, _total: int) -> None:
        if done == 0:
            for file in tmp_path.glob("lost.db*"):
                file.rename(hidden / file.name)
            (tmp_path / "lost.db").mkdir()

    with pytest.raises(PartitionFailed, match="the database is not available"):
        embed(world.url, cluster, watch=watch)

    (tmp_path / "lost.db").rmdir()
    for file in hidden.iterdir():
        file.rename(tmp_path / file.name)
    assert embed(world.url, cluster).ready_count == PAPERS


@pytest.mark.slow
def test_full_disk(cluster: Cluster, small_disk: Path) -> None:
    """A full disk is an error that says so; what was stored stays, and with more room the same command ends well."""
    url = f"sqlite:///{small_disk / 'catalog.db'}"
    schema.upgrade(url)
    store = open_store(url)
    write_papers(store, library(2_000, "m", 3), pending=2_000)
    disk = os.statvfs(small_disk)
    resized(small_disk, (disk.f_blocks - disk.f_bfree) * disk.f_frsize + 2 * 2**20)

    with pytest.raises(PartitionFailed, match=r"the database is not available: its disk .* are done and kept"):
        embed(url, cluster)

    done = len(stored(store))
    assert 0 < done < 2_000
    resized(small_disk, 40 * 2**20)
    assert embed(url, cluster).stored_count == 2_000 - done
    assert_whole(store)
    store.dispose()


def test_ranges() -> None:
    """Ranges follow one another without a gap, are of the size asked for, and a long text stands alone."""
    sizes = [("a", 50), ("b", 50), ("c", 10_000), ("d", 10), ("e", 10)]

    assert ranges_of(iter(sizes), 300) == [PaperRange("", "b", 2), PaperRange("b", "c", 1), PaperRange("c", "e", 2)]
    assert ranges_of(iter([])) == []
