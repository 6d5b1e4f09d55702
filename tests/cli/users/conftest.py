"""Databases of the service and of the mailer, each on both engines in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.storage import schema as mail_schema
from mailer.storage.tables import metadata as mail_metadata
from tests.databases import ENGINES, MigratedDatabases
from tests.store_fixtures import databases

__all__ = ["databases"]


@pytest.fixture(scope="session")
def mail_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MigratedDatabases]:
    """The databases of the mailer."""
    made = MigratedDatabases(mail_schema.upgrade, mail_metadata, tmp_path_factory.mktemp("mail_template"))
    yield made
    made.close()


@pytest.fixture(params=ENGINES)
def urls(
    request: pytest.FixtureRequest, databases: MigratedDatabases, mail_databases: MigratedDatabases, tmp_path: Path
) -> tuple[str, str]:
    """The URLs of two empty databases: the service's and the mailer's."""
    folder = tmp_path / "mail"
    folder.mkdir()
    return databases.empty(request.param, tmp_path), mail_databases.empty(request.param, folder)
