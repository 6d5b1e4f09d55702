"""Fixtures of the tests of the command line."""

import os
from pathlib import Path

import pytest

from tests.cli.command import Run, clean_environment, paperfeed
from tests.databases import MigratedDatabases
from tests.process.running import ROOT
from tests.requirements import require
from tests.store_fixtures import databases

__all__ = ["Run", "clean_environment", "databases", "paperfeed"]


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    """The file of the database that PAPERFEED_DB names."""
    return tmp_path / "paperfeed.db"


@pytest.fixture
def empty_db(databases: MigratedDatabases, db_path: Path) -> None:
    """Create that database, so that the first command need not do it."""
    databases.empty_file(db_path)


@pytest.fixture(scope="session")
def trending_page() -> Path:
    """The real digest of the shared data."""
    folder = Path(os.environ.get("PAPERFEED_DATA", ROOT.parent / "shared" / "data"))
    page = folder / "digests" / "hf-trending-mar-11.txt"
    require("data", page.exists(), "needs the public data sets: set PAPERFEED_DATA")
    return page


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands wait half a second, not ten, for a scheduler that does not answer."""
    from batch.cluster import open_cluster

    monkeypatch.setitem(open_cluster.__wrapped__.__kwdefaults__, "connect_seconds", 0.5)
