"""Statements that SQLite and PostgreSQL write differently, long lists of values, and rows as dataclasses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, bindparam, text
from sqlalchemy.dialects import sqlite

T = TypeVar("T")

# SQLite before 3.32 takes 999 variables in one statement.
MAX_VARIABLES = 900
# Name of the parameter for the values that ``rows_in`` looks for.
_CHUNK = "values_of_chunk"

_WAIT_FOR_LOCK = text("SELECT pg_advisory_xact_lock(:number, hashtext(current_schema()))")


def chunks(values: Sequence[T], size: int = MAX_VARIABLES) -> Iterator[Sequence[T]]:
    """Return the values in order, at most ``size`` at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))


def rows_in(
    connection: Connection,
    statement: Select[Any],
    column: ColumnElement[Any],
    values: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
) -> Iterator[Row[Any]]:
    """Return the rows of the statement whose column is one of the values. The statement's order holds per chunk only.

    Args:
        parameters: Values of the statement's own parameters.
    """
    limited = _limited(statement, column)
    for chunk in chunks(values):
        # All rows at once: to fetch them one by one takes twice as long.
        yield from connection.execute(limited, {**(parameters or {}), _CHUNK: list(chunk)}).all()


# Building the condition anew takes as long as running the statement on SQLite.
@lru_cache(maxsize=64)
def _limited(statement: Select[Any], column: ColumnElement[Any]) -> Select[Any]:
    return statement.where(column.in_(bindparam(_CHUNK, type_=column.type, expanding=True)))


def from_row(cls: type[T], row: Row[Any], **others: Any) -> T:
    """Return the dataclass whose fields have the names of the row's columns. ``others`` are values of other fields."""
    names = (each.name for each in fields(cls))  # type: ignore[arg-type]
    return cls(**{name: getattr(row, name) for name in names if name not in others}, **others)


def to_row(value: Any, **others: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name. ``others`` replace or add values of columns."""
    return {each.name: getattr(value, each.name) for each in fields(value)} | others


def insert(connection: Connection, table: Table) -> sqlite.Insert:
    """Return an INSERT that knows ON CONFLICT. Both engines write it alike, but SQLAlchemy has a class for each."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - loaded for PostgreSQL only

    return postgresql.insert(table)  # type: ignore[return-value]


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert the row. Return False if its key is there, even if another process has just inserted it."""
    statement = insert(connection, table).values(row).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None


def put_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, which have all columns of the table. They replace rows with the same primary keys."""
    if rows:
        statement = insert(connection, table)
        changes = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        connection.execute(statement.on_conflict_do_update(index_elements=table.primary_key, set_=changes), rows)


def wait_for_lock(connection: Connection, number: int) -> None:
    """On PostgreSQL, hold the advisory lock of this number and schema until the transaction ends.

    On SQLite a write transaction excludes all others anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_WAIT_FOR_LOCK, {"number": number})
