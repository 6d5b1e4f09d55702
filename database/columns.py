"""Column types that store the same values on SQLite and PostgreSQL, and shorthands to declare columns.

Released migrations use ``Id``, ``Sequence``, ``new_metadata``, ``not_null`` and ``belongs_to``, so their SQL must never
change. A test compares it with the databases that are kept of every revision.
"""

import datetime as dt
import enum
import json
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, ForeignKey, Integer, MetaData, Text, TypeDecorator

# Ids sort by code point on both engines, so that a page of results ends at the same id on both.
Id = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows only in a column of exactly this type.
Sequence = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A time with its zone, stored and returned in UTC. SQLite alone would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _dialect: Dialect) -> dt.datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, _dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Word(TypeDecorator[enum.Enum]):
    """A member of an enumeration, stored as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type[enum.Enum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: enum.Enum | None, _dialect: Dialect) -> str | None:
        return None if value is None else str(value.value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> enum.Enum | None:
        return None if value is None else self.members(value)


class Json(TypeDecorator[Any]):
    """A JSON value, stored as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Texts(Json):
    """A tuple of texts, stored as a JSON list."""

    cache_ok = True

    def process_result_value(self, value: str | None, _dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


def new_metadata() -> MetaData:
    """Return metadata that name every constraint, because a later migration cannot drop a constraint without a name."""
    return MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def not_null(name: str, column_type: Any, *constraints: Any, **options: Any) -> Column[Any]:
    """Return a column that always has a value."""
    return Column(name, column_type, *constraints, nullable=False, **options)


def belongs_to(target: str) -> ForeignKey:
    """Return a foreign key that deletes the row together with the row that it refers to."""
    return ForeignKey(target, ondelete="CASCADE")
