"""One empty store per test, on each engine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from service.app.ports import Store
from service.storage import SqlStore, open_store, schema
from service.storage.engine import parse_url
from service.storage.tables import metadata
from tests.databases import postgres_schema, require_postgres


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to be copied: faster than migrating for every test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A migrated schema that the whole session shares."""
    require_postgres()
    with postgres_schema() as url:
        schema.upgrade(url)
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated file of this test alone."""
    shutil.copy(sqlite_template, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url = str(request.getfixturevalue("postgres_url"))
    engine = create_engine(parse_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        # TRUNCATE would make new files, which takes ten times as long as deleting a few rows.
        for table in reversed(metadata.sorted_tables):
            if table.name != "installation":
                connection.execute(table.delete())
    engine.dispose()
    return url


@pytest.fixture
def sql_store(store_url: str) -> Iterator[SqlStore]:
    """An empty store."""
    store = open_store(store_url)
    yield store
    store.dispose()


@pytest.fixture
def store(sql_store: SqlStore) -> Store:
    """The same, as the use cases know it."""
    return sql_store
