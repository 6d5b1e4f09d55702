"""Databases, bundles and clusters that the tests of batch jobs share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from batch.cluster import Cluster, open_cluster
from service.encoder import HashingEncoder
from testing.bundles import model_text, write_tiny_bundle
from tests.batch.remote import Scheduler, started_scheduler, started_worker
from tests.batch.reranks import Rerank, rerank_with
from tests.batch.small_disks import mounted_small_disk
from tests.batch.worlds import World, fill
from tests.databases import postgres_schema, require_postgres


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained for the hashing encoder."""
    folder = tmp_path_factory.mktemp("batch_bundle") / "tiny"
    write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=model_text())
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Fifty users in SQLite; not to be written to."""
    return fill(f"sqlite:///{tmp_path_factory.mktemp('batch_world') / 'world.db'}", 50)


@pytest.fixture(scope="session")
def postgres_world() -> Iterator[World]:
    """Fifty users in PostgreSQL; not to be written to."""
    require_postgres()
    with postgres_schema() as url:
        yield fill(url, 50)


@pytest.fixture(params=["world", pytest.param("postgres_world", marks=pytest.mark.postgres)])
def any_world(request: pytest.FixtureRequest) -> World:
    """Fifty users, on each engine."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def threads() -> Iterator[Cluster]:
    """A real Dask cluster whose scheduler and only worker are threads of this process; starts no process."""
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        yield Cluster(client)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two worker processes, for tests that kill none."""
    with open_cluster(workers=2) as found:
        yield found


@pytest.fixture
def rerank(bundle: Path, tmp_path: Path) -> Rerank:
    """Requests of re-ranks with the bundle, into the test's folder."""
    return rerank_with(bundle, tmp_path)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    """A scheduler without workers."""
    with started_scheduler(tmp_path) as found:
        yield found


@pytest.fixture
def worker(scheduler: Scheduler, tmp_path: Path) -> Iterator[None]:
    """One worker of that scheduler."""
    with started_worker(scheduler, tmp_path):
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of ten megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted_small_disk(folder):
        yield folder
