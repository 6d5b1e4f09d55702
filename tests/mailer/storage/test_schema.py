"""The mailer's schema comes from its migrations alone, and lives beside the service's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from database.engine import parse_url
from mailer.errors import InvalidField, SchemaMismatch, StorageUnavailable
from mailer.storage import open_store, schema
from mailer.storage.tables import metadata
from tests.databases import ENGINES, new_database


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    with new_database(request.param, tmp_path) as url:
        yield url


def test_an_empty_database_is_upgraded(empty_url: str) -> None:
    """From nothing to the newest revision; a second upgrade finds nothing to do, and the key is made once."""
    with pytest.raises(
        (SchemaMismatch, StorageUnavailable), match=r"run `paperfeed mail upgrade`|no such database file"
    ):
        schema.check(empty_url)

    assert schema.upgrade(empty_url) == (None, schema.HEAD)
    first = open_store(empty_url)
    key = first.signing_key()
    assert schema.upgrade(empty_url) == (schema.HEAD, schema.HEAD)

    schema.check(empty_url)
    assert len(key) == 32
    assert first.signing_key() == key
    first.dispose()


def test_tables_match_the_migrations(empty_url: str) -> None:
    """What the statements expect is exactly what the migrations make."""
    schema.upgrade(empty_url)
    engine = create_engine(parse_url(empty_url), poolclass=NullPool)

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": "mail_alembic_version"}
        )
        assert compare_metadata(context, metadata) == []


def test_from_the_first_revision(empty_url: str) -> None:
    """A database of the first revision is refused until it is upgraded."""
    schema.upgrade(empty_url, "0001")
    with pytest.raises(SchemaMismatch, match="is at revision 0001, older than"):
        schema.check(empty_url)
    assert schema.upgrade(empty_url) == ("0001", schema.HEAD)
    schema.check(empty_url)


def test_no_database() -> None:
    """A server that does not answer is an error that says so and repeats no password."""
    with pytest.raises(StorageUnavailable) as caught:
        schema.check("postgresql://someone:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


@pytest.mark.postgres
def test_no_database_of_that_name(postgres_url: str) -> None:
    """A server that answers and has no such database is told from one that does not answer."""
    url = parse_url(postgres_url).set(database="no_such_name").render_as_string(hide_password=False)
    with pytest.raises(StorageUnavailable, match="its server has no database of that name"):
        schema.check(url)


@pytest.mark.parametrize("url", ["mysql://ann:hunter2@h/x", "postgresql://ann:hunter2@h:port/x", "hunter2"])
def test_a_url_that_cannot_be_used_is_not_repeated(url: str) -> None:
    """It is named as the field at fault, without its password."""
    with pytest.raises(InvalidField) as caught:
        open_store(url)

    assert caught.value.field == "db"
    assert "hunter2" not in str(caught.value)
