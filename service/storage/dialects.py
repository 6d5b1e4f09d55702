"""Where SQLite and PostgreSQL differ in a statement, and how long lists become short statements."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, text
from sqlalchemy.dialects import sqlite

T = TypeVar("T")

# SQLite before 3.32 takes 999 variables in one statement.
MAX_VARIABLES = 900

_LOCK_CATALOGUE = text("SELECT pg_advisory_xact_lock(70460001, hashtext(current_schema()))")


def chunks(values: Sequence[T], size: int = MAX_VARIABLES) -> Iterator[Sequence[T]]:
    """The values in order, at most ``size`` at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))


def rows_in(
    connection: Connection,
    statement: Select[Any],
    column: ColumnElement[Any],
    values: Sequence[str],
    others: Mapping[str, Any] | None = None,
) -> Iterator[Row[Any]]:
    """Rows of the statement whose column is one of the values, in no order across chunks.

    Args:
        others: Values of the statement's own parameters.
    """
    for chunk in chunks(values):
        # All at once: to hand them over one by one takes twice as long.
        yield from connection.execute(statement.where(column.in_(chunk)), others).all()


def insert(connection: Connection, table: Table) -> sqlite.Insert:
    """An INSERT that knows ON CONFLICT; both engines write it alike, but SQLAlchemy has a class for each."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - not loaded where SQLite serves

    return postgresql.insert(table)  # type: ignore[return-value]


def lock_catalogue(connection: Connection) -> None:
    """Makes this transaction the only one that writes papers, vectors, leases and digests, until it ends.

    On SQLite a write transaction is alone anyway. On PostgreSQL rows that do not exist yet cannot be locked, so two
    writers of the same new paper would meet at a unique index; and a lease read in an old snapshot can be given twice.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_CATALOGUE)
