"""Servers for tests: shared ones, where fresh ids keep tests apart, and servers of a test's own.

Most tests use the shared server on SQLite. Tests whose SQL differs between the engines, or that send values which an
engine might refuse, use ``each_engine``; a module does so by a fixture ``service`` of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from paperfeed.client import Client
from ranker.bundle.bundle import load_bundle
from service.encoder import HashingEncoder
from service.storage import schema
from testing.bundles import model_text, write_tiny_bundle
from testing.servers import Service, copied, serving
from tests.databases import postgres_schema, require_postgres


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy, which is faster than a migration for every server."""
    path = tmp_path_factory.mktemp("rpc_template") / "empty.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained for the hashing encoder."""
    folder = tmp_path_factory.mktemp("rpc_bundle") / "tiny"
    write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=model_text())
    return folder


@pytest.fixture(scope="session")
def foreign_bundle(tiny_bundle: Path) -> Path:
    """The same bundle with the name of another encoder."""
    folder = tiny_bundle.with_name("foreign")
    write_tiny_bundle(folder, encoder_name="other-384", model_text=load_bundle(tiny_bundle, encoder=None).model.text)
    return folder


@pytest.fixture(scope="session")
def sqlite_service(
    empty_database: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A shared server with a trained bundle on SQLite: use fresh ids, and do not rely on anything being absent."""
    url = copied(empty_database, tmp_path_factory.mktemp("rpc_shared"))
    with serving(url, bundle=str(tiny_bundle)) as service:
        yield service


@pytest.fixture(scope="session")
def postgres_service(tiny_bundle: Path) -> Iterator[Service]:
    """The same on PostgreSQL."""
    require_postgres()
    with postgres_schema() as url, serving(url, bundle=str(tiny_bundle)) as service:
        yield service


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def each_engine(request: pytest.FixtureRequest) -> Service:
    """The shared server on each engine in turn."""
    found: Service = request.getfixturevalue(f"{request.param}_service")
    return found


@pytest.fixture
def service(sqlite_service: Service) -> Service:
    """The shared server that ``client`` calls."""
    return sqlite_service


@pytest.fixture
def client(service: Service) -> Client:
    return service.client


@pytest.fixture
def start(empty_database: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts servers of the test's own on one empty SQLite database; settings are keyword arguments."""
    url = copied(empty_database, tmp_path)
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(url, **settings))


@pytest.fixture
def own(start: Callable[..., Service], tiny_bundle: Path) -> Service:
    """A server of the test's own with a trained bundle, on an empty SQLite database."""
    return start(bundle=str(tiny_bundle))


@pytest.fixture
def bare(start: Callable[..., Service], foreign_bundle: Path) -> Service:
    """A server of the test's own without a matching bundle, on an empty SQLite database."""
    return start(bundle=str(foreign_bundle))
