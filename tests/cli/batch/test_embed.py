"""``paperfeed batch embed``."""

import json
from pathlib import Path

import pytest

from service.encoder import DEFAULT_MODEL, HashingEncoder
from service.storage import open_store
from tests.batch.worlds import DIGEST_SIZE, LIBRARY_SIZE, World, fill, library, write_papers
from tests.cli.command import Run, in_process

PAPERS = LIBRARY_SIZE + DIGEST_SIZE


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three hundred papers; five have no vector."""
    return fill(f"sqlite:///{tmp_path / 'world.db'}", 0)


@pytest.mark.cluster
@pytest.mark.slow
def test_embed(world: World, paperfeed: Run) -> None:
    """It embeds the papers without a vector and names the dashboard; a second call finds nothing to do."""
    words = ("batch", "embed", "--encoder", "hashing", "--workers", 1)

    done = in_process(*words, "--json", db=world.url)
    again = paperfeed(*words, "--db", world.url)

    assert done.code == 0, done.err
    assert json.loads(done.out) == {
        "encoder": HashingEncoder.name,
        "ready_count": PAPERS,
        "stored_count": 5,
        "failed_count": 0,
        "pending_count": 0,
        "range_count": 1,
    }
    assert "paperfeed: dashboard: http://127.0.0.1:" in done.err
    assert again.code == 0
    assert again.err == ""
    assert again.out == f"{PAPERS} papers have a vector of hashing-384, 0 of them new\n"


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.model
def test_real_encoder_and_cache(tmp_path: Path) -> None:
    """The packaged model works in Dask's workers and stores its vectors in the embedding cache, if one is set."""
    url, cache = f"sqlite:///{tmp_path / 'few.db'}", tmp_path / "cache.db"
    fill(url, 0)
    store = open_store(url)
    with store.write() as tx:
        for paper in tx.papers.page(after="", limit=1_000):
            tx.papers.delete(paper.paper_id)
    write_papers(store, library(6, "f", 5), pending=6)

    done = in_process("batch", "embed", "--workers", 1, db=url, encoder=DEFAULT_MODEL, embedding_cache=cache)

    assert done.code == 0, done.err
    assert done.out == "6 papers have a vector of all-MiniLM-L6-v2, 6 of them new\n"
    assert cache.exists()
    with store.read() as tx:
        _, vectors = tx.papers.all_vectors("all-MiniLM-L6-v2")
    store.dispose()
    assert vectors.shape == (6, 384)


@pytest.mark.usefixtures("impatient")
def test_unreachable_scheduler(world: World, paperfeed: Run) -> None:
    """A scheduler that does not answer ends the command with one line and exit code 1."""
    done = paperfeed("batch", "embed", "--db", world.url, "--scheduler", "tcp://127.0.0.1:9")
    assert done.code == 1
    assert done.err == "paperfeed: no Dask cluster at tcp://127.0.0.1:9: the scheduler does not answer\n"


def test_unknown_encoder(world: World, tmp_path: Path, paperfeed: Run) -> None:
    """A folder without weights is reported before any worker starts."""
    done = paperfeed("batch", "embed", "--db", world.url, "--encoder", tmp_path)

    assert done.code == 1
    assert done.err == f"paperfeed: the encoder is not available: no safetensors weights in {tmp_path}\n"


def test_wrong_usage(paperfeed: Run) -> None:
    """A scheduler that is not an address is wrong usage."""
    done = paperfeed("batch", "embed", "--scheduler", "localhost")

    assert done.code == 2
    assert "scheduler: 'localhost' is neither 'local' nor an address" in done.err


def test_workers_of_somebody_else(paperfeed: Run) -> None:
    """--workers is refused for a remote scheduler."""
    done = paperfeed("batch", "embed", "--scheduler", "tcp://here:8786", "--workers", 2)

    assert done.code == 2
    assert "workers: cannot be set for the scheduler at tcp://here:8786: leave the option out" in done.err


def test_without_a_database(paperfeed: Run, tmp_path: Path) -> None:
    """A missing database is reported and not created."""
    done = paperfeed("batch", "embed")

    assert done.code == 1
    assert "there is no such database file: " in done.err
    assert list(tmp_path.iterdir()) == []
