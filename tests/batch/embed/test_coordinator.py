"""Embedding jobs: every paper gets its vector once, whatever fails and whatever changes meanwhile."""

import os
import threading
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from batch.cluster import Cluster
from batch.embed import worker as embedding
from batch.embed.coordinator import run
from batch.embed.worker import Cargo, Done, Failure, PaperRange, ranges_of
from batch.errors import PartitionFailed
from service.domain.papers import EmbeddingState, Paper
from service.encoder import HashingEncoder
from service.storage import SqlStore, open_store, schema
from tests.batch.embed.catalogs import PAPERS, assert_whole, embed, stored
from tests.batch.embed.odd_encoders import NAME, ClosingEncoder, MeddlingEncoder, NewEncoder, PickyEncoder
from tests.batch.reranks import no_cluster
from tests.batch.small_disks import resized
from tests.batch.worlds import NOW, World, fill, library, write_papers


def test_whole_catalog(any_catalog: World, any_store: SqlStore, threads: Cluster) -> None:
    """All papers get vectors of the new encoder, the old vectors stay, and a second run has nothing to do."""
    old = stored(any_store, HashingEncoder.name)
    told: list[tuple[int, int]] = []

    outcome = embed(any_catalog.url, threads, watch=lambda done, total: told.append((done, total)))

    assert (outcome.stored_count, outcome.ready_count, outcome.failed_count) == (PAPERS, PAPERS, 0)
    assert outcome.range_count > 5
    assert told[0] == (0, PAPERS)
    assert told[-1] == (PAPERS, PAPERS)
    assert_whole(any_store)
    assert stored(any_store, HashingEncoder.name).keys() == old.keys()
    again = run(Cargo(any_catalog.url, NAME, NewEncoder), no_cluster, lambda _done, _total: None)
    assert (again.stored_count, again.ready_count, again.range_count) == (0, PAPERS, 0)


def test_only_missing_vectors(any_catalog: World, any_store: SqlStore, threads: Cluster) -> None:
    """Only papers without a vector are embedded."""
    cargo = Cargo(any_catalog.url, HashingEncoder.name, HashingEncoder)

    outcome = run(cargo, lambda: nullcontext(threads), lambda _done, _total: None)

    assert (outcome.stored_count, outcome.ready_count) == (5, PAPERS)


def test_changes_meanwhile(any_catalog: World, any_store: SqlStore, threads: Cluster) -> None:
    """A text that changes while it is encoded gets its new vector; new papers get one, deleted papers none."""
    meddling = partial(MeddlingEncoder, any_catalog.url, changed="d0000", deleted="d0001", new="d9999")

    outcome = embed(any_catalog.url, threads, meddling)

    assert_whole(any_store)
    assert {"d0000", "d9999"} < stored(any_store).keys()
    assert "d0001" not in stored(any_store)
    assert (outcome.ready_count, outcome.pending_count) == (PAPERS, 0)


def test_a_text_that_cannot_be_embedded(any_catalog: World, any_store: SqlStore, threads: Cluster) -> None:
    """One bad text is marked FAILED and not tried again; the other texts of its batch get their vectors."""
    with any_store.write() as tx:
        tx.papers.upsert([Paper("d0002", "A poison")], NOW)

    outcome = embed(any_catalog.url, threads, partial(PickyEncoder, ("poison",)))

    assert (outcome.failed_count, outcome.ready_count, outcome.pending_count) == (1, PAPERS - 1, 0)
    with any_store.read() as tx:
        assert tx.papers.find_many(["d0002"])["d0002"].embedding_state is EmbeddingState.FAILED


def test_an_encoder_that_does_not_work(catalog: World, store: SqlStore, threads: Cluster) -> None:
    """An encoder that fails on every text ends the run with its own error; no text is marked FAILED."""
    with pytest.raises(PartitionFailed, match=r"the encoder is not available: a text that it does not take \(0 of"):
        embed(catalog.url, threads, partial(PickyEncoder, ("",)))

    with store.read() as tx:
        assert tx.papers.pending_count(NAME) == PAPERS


def test_workers_with_another_model(catalog: World, threads: Cluster) -> None:
    """Workers whose files make another encoder store nothing under this one's name."""
    with pytest.raises(PartitionFailed, match="a worker's files make it hashing-384, not new-384"):
        embed(catalog.url, threads, HashingEncoder)


def test_two_jobs_on_one_worker(catalog: World, store: SqlStore) -> None:
    """Two jobs in one process embed beside each other, each with its own encoder."""
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


def test_lost_database(threads: Cluster, tmp_path: Path) -> None:
    """A lost database is a clear error; when it is back the same command succeeds."""
    world = fill(f"sqlite:///{tmp_path / 'lost.db'}", 0)
    hidden = tmp_path / "hidden"
    hidden.mkdir()

    def watch(done: int, _total: int) -> None:
        if done == 0:
            for file in tmp_path.glob("lost.db*"):
                file.rename(hidden / file.name)
            (tmp_path / "lost.db").mkdir()

    with pytest.raises(PartitionFailed, match="the database is not available"):
        embed(world.url, threads, watch=watch)

    (tmp_path / "lost.db").rmdir()
    for file in hidden.iterdir():
        file.rename(tmp_path / file.name)
    assert embed(world.url, threads).ready_count == PAPERS


@pytest.mark.slow
def test_full_disk(threads: Cluster, small_disk: Path) -> None:
    """A full disk is a clear error; stored vectors are kept, and with more room the same command succeeds."""
    url = f"sqlite:///{small_disk / 'catalog.db'}"
    schema.upgrade(url)
    store = open_store(url)
    write_papers(store, library(2_000, "m", 3), pending=2_000)
    disk = os.statvfs(small_disk)
    resized(small_disk, (disk.f_blocks - disk.f_bfree) * disk.f_frsize + 2 * 2**20)

    with pytest.raises(PartitionFailed, match=r"the database is not available: its disk .* are done and kept"):
        embed(url, threads)

    done = len(stored(store))
    assert 0 < done < 2_000
    resized(small_disk, 40 * 2**20)
    assert embed(url, threads).stored_count == 2_000 - done
    assert_whole(store)
    store.dispose()


def test_ranges() -> None:
    """Ranges have no gaps and keep to the size; a long text has a range of its own."""
    sizes = [("a", 50), ("b", 50), ("c", 10_000), ("d", 10), ("e", 10)]

    assert ranges_of(iter(sizes), 300) == [PaperRange("", "b", 2), PaperRange("b", "c", 1), PaperRange("c", "e", 2)]
    assert ranges_of(iter([])) == []
