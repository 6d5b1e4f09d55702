"""The tables of the service and of the mailer live in one database without touching each other."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from database.engine import parse_url
from mailer.storage import schema as mail_schema
from mailer.storage import tables as mail_tables
from service.storage import schema, tables
from tests.databases import ENGINES, new_database


@pytest.mark.parametrize("engine", ENGINES)
def test_one_database(engine: str, tmp_path: Path) -> None:
    """Each side makes and checks its own tables only."""
    with new_database(engine, tmp_path) as url:
        mail_schema.upgrade(url)
        assert schema.current_revision(url) is None
        schema.upgrade(url)
        schema.check(url)
        mail_schema.check(url)
        with create_engine(parse_url(url), poolclass=NullPool).connect() as connection:
            found = set(inspect(connection).get_table_names())
    assert set(tables.metadata.tables) | set(mail_tables.metadata.tables) <= found
