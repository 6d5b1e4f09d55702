"""Catalogs to embed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage import SqlStore, open_store
from testing.servers import copied
from tests.batch.worlds import World, fill
from tests.databases import postgres_schema, require_postgres


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database of 300 papers, all but five with vectors of the hashing encoder; not to be written to."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.db"
    fill(f"sqlite:///{path}", 0)
    return path


@pytest.fixture
def catalog(filled: Path, tmp_path: Path) -> World:
    """A copy of the database."""
    return World(copied(filled, tmp_path), ())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_catalog(request: pytest.FixtureRequest, filled: Path, tmp_path: Path) -> Iterator[World]:
    """The same papers, on each engine."""
    if request.param == "sqlite":
        yield World(copied(filled, tmp_path), ())
    else:
        require_postgres()
        with postgres_schema() as url:
            yield fill(url, 0)


@pytest.fixture
def store(catalog: World) -> Iterator[SqlStore]:
    """The store of the catalog."""
    store = open_store(catalog.url)
    yield store
    store.dispose()


@pytest.fixture
def any_store(any_catalog: World) -> Iterator[SqlStore]:
    """The store of the catalog, on each engine."""
    store = open_store(any_catalog.url)
    yield store
    store.dispose()
