"""Precomputed slates in the database: one row each, so that serving one costs one read."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from service.domain.precomputed import PrecomputedSlate
from service.storage.dialects import insert, rows_in
from service.storage.slates import items_of_json, json_of_items
from service.storage.tables import precomputed_slates, users

_COLUMNS = tuple(column.name for column in precomputed_slates.c if column.name not in {"items", "features"})
_ONE = select(precomputed_slates).where(
    precomputed_slates.c.user_id == bindparam("user_id"), precomputed_slates.c.digest_id == bindparam("digest_id")
)
_VERSIONS = select(users.c.user_id, users.c.version).order_by(users.c.user_id).with_for_update(key_share=True)


class SqlPrecomputed:
    """``service.app.ports.PrecomputedStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, slates: Sequence[PrecomputedSlate]) -> int:
        wanted = sorted({slate.user_id for slate in slates})
        versions = {row.user_id: row.version for row in rows_in(self._connection, _VERSIONS, users.c.user_id, wanted)}
        fitting = [slate for slate in slates if versions.get(slate.user_id) == slate.user_version]
        if fitting:
            statement = insert(self._connection, precomputed_slates)
            keys = ["user_id", "digest_id"]
            changes = {column.name: statement.excluded[column.name] for column in precomputed_slates.c}
            changes = {name: value for name, value in changes.items() if name not in keys}
            self._connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=changes), list(map(_row_of, fitting))
            )
        return len(fitting)

    def find(self, user_id: str, digest_id: str) -> PrecomputedSlate | None:
        row = self._connection.execute(_ONE, {"user_id": user_id, "digest_id": digest_id}).first()
        return None if row is None else _slate_of(row)


def _row_of(slate: PrecomputedSlate) -> dict[str, Any]:
    facts = {name: getattr(slate, name) for name in _COLUMNS}
    return {**facts, "items": json_of_items(slate.items), "features": slate.features}


def _slate_of(row: Row[Any]) -> PrecomputedSlate:
    facts = {name: getattr(row, name) for name in _COLUMNS}
    return PrecomputedSlate(**facts, items=items_of_json(row.items), features=bytes(row.features))
