"""Where SQLite and PostgreSQL differ in a statement."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Inserts the row unless one with its key is there, also one that another process inserts at the same time."""
    if connection.dialect.name == "sqlite":
        statement: Any = sqlite.insert(table)
    else:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - not loaded where SQLite serves

        statement = postgresql.insert(table)
    new = statement.values(row).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(new).first() is not None
