"""Fixtures that give each test an empty database or store of the service. A conftest imports those that it uses.

The mailer's conftest imports the URLs, and replaces ``databases`` by databases of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.app.ports import Store
from service.storage import SqlStore, open_store, schema
from service.storage.tables import metadata
from tests.databases import ENGINES, MigratedDatabases


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MigratedDatabases]:
    """The databases of this session."""
    made = MigratedDatabases(schema.upgrade, metadata, tmp_path_factory.mktemp("template"))
    yield made
    made.close()


@pytest.fixture
def sqlite_url(databases: MigratedDatabases, tmp_path: Path) -> str:
    """The URL of an empty database on SQLite."""
    return databases.empty("sqlite", tmp_path)


@pytest.fixture
def postgres_url(databases: MigratedDatabases, tmp_path: Path) -> str:
    """The URL of an empty database on PostgreSQL."""
    return databases.empty("postgres", tmp_path)


@pytest.fixture(params=ENGINES)
def store_url(request: pytest.FixtureRequest, databases: MigratedDatabases, tmp_path: Path) -> str:
    """The URL of an empty database on each engine."""
    return databases.empty(request.param, tmp_path)


@pytest.fixture
def sql_store(store_url: str) -> Iterator[SqlStore]:
    """An empty store on each engine."""
    store = open_store(store_url)
    yield store
    store.dispose()


@pytest.fixture
def store(sql_store: SqlStore) -> Store:
    """The same, as the use cases know it."""
    return sql_store
