"""Databases for servers in processes of their own, and a bundle that fits the encoder without weights."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.encoder.hashing import HashingEncoder
from service.storage import schema
from testing.bundles import model_text, write_tiny_bundle
from tests.cli.command import clean_environment, paperfeed
from tests.databases import postgres_schema, require_postgres

__all__ = ["clean_environment", "paperfeed"]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with all tables, to copy."""
    path = tmp_path_factory.mktemp("process_template") / "empty.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated: Path, tmp_path: Path) -> str:
    """An empty database with all tables: servers of other tests make theirs, which takes a fifth of their start."""
    shutil.copy(migrated, tmp_path / "paperfeed.db")
    return f"sqlite:///{tmp_path / 'paperfeed.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db_url(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[str]:
    """An empty database on each engine."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    require_postgres()
    with postgres_schema() as url:
        yield url


@pytest.fixture(scope="session")
def hashing_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for the encoder ``hashing``; copy it to change it."""
    folder = tmp_path_factory.mktemp("bundles") / "hashing"
    write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=model_text())
    return folder
