"""Precomputed slates in the database: one row each, so that serving one costs one read."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from service.domain.feeds import SlateItem
from service.domain.precomputed import PrecomputedSlate
from service.storage.dialects import insert, rows_in
from service.storage.slates import json_of_reasons, reasons_of_json
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
    items = [[item.paper_id, item.score, item.action_propensity, json_of_reasons(item.reasons)] for item in slate.items]
    return {
        **{name: getattr(slate, name) for name in _COLUMNS},
        "items": json.dumps(items, ensure_ascii=False, separators=(",", ":")),
        "features": b"".join(item.features for item in slate.items),
    }


def _slate_of(row: Row[Any]) -> PrecomputedSlate:
    found = json.loads(row.items)
    # Of all the items or of none.
    width = len(row.features) // len(found) if found else 0
    features = bytes(row.features)
    items = tuple(
        SlateItem(
            rank=place + 1,
            paper_id=paper_id,
            score=score,
            reasons=reasons_of_json(reasons),
            features=features[place * width : (place + 1) * width],
            action_propensity=action_propensity,
        )
        for place, (paper_id, score, action_propensity, reasons) in enumerate(found)
    )
    return PrecomputedSlate(**{name: getattr(row, name) for name in _COLUMNS}, items=items)
