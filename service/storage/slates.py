"""Slates in the database. A slate is written once, in two statements, by every feed that is served."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from service.domain.feeds import Reason, ReasonType, Slate, SlateItem
from service.storage.dialects import chunks
from service.storage.tables import slate_items, slates

_SLATE_COLUMNS = tuple(column.name for column in slates.c)
_INSERT_SLATE = slates.insert()
_INSERT_ITEMS = slate_items.insert()
_SLATE = select(slates).where(slates.c.slate_id == bindparam("slate_id"))
_ITEMS = select(*(column for column in slate_items.c if column.name != "features")).order_by(slate_items.c.rank)
_ITEMS_WITH_FEATURES = select(slate_items).order_by(slate_items.c.rank)
_SLATES_AT_A_TIME = 200


class SqlSlates:
    """``service.app.ports.SlateStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, slate: Slate) -> None:
        self._connection.execute(_INSERT_SLATE, {name: getattr(slate, name) for name in _SLATE_COLUMNS})
        if slate.items:
            self._connection.execute(_INSERT_ITEMS, [_row_of(slate.slate_id, item) for item in slate.items])

    def find(self, slate_id: str, *, with_features: bool = False) -> Slate | None:
        row = self._connection.execute(_SLATE, {"slate_id": slate_id}).first()
        if row is None:
            return None
        statement = _ITEMS_WITH_FEATURES if with_features else _ITEMS
        items = self._connection.execute(statement.where(slate_items.c.slate_id == slate_id))
        return _slate_of(row, [_item_of(item) for item in items])

    def of_user(self, user_id: str, *, with_features: bool = False) -> Iterator[Slate]:
        statement = _ITEMS_WITH_FEATURES if with_features else _ITEMS
        in_order = select(slates).where(slates.c.user_id == user_id).order_by(slates.c.created_at, slates.c.slate_id)
        for rows in chunks(self._connection.execute(in_order).all(), _SLATES_AT_A_TIME):
            items: dict[str, list[SlateItem]] = {row.slate_id: [] for row in rows}
            for item in self._connection.execute(statement.where(slate_items.c.slate_id.in_(list(items)))):
                items[item.slate_id].append(_item_of(item))
            yield from (_slate_of(row, items[row.slate_id]) for row in rows)


def _row_of(slate_id: str, item: SlateItem) -> dict[str, Any]:
    return {
        "slate_id": slate_id,
        "rank": item.rank,
        "paper_id": item.paper_id,
        "score": item.score,
        "reasons": json_of_reasons(item.reasons),
        "action_propensity": item.action_propensity,
        "features": item.features,
    }


def _slate_of(row: Row[Any], items: Sequence[SlateItem]) -> Slate:
    return Slate(**{name: getattr(row, name) for name in _SLATE_COLUMNS}, items=tuple(items))


def _item_of(row: Row[Any]) -> SlateItem:
    return SlateItem(
        rank=row.rank,
        paper_id=row.paper_id,
        score=row.score,
        reasons=reasons_of_json(row.reasons),
        features=bytes(getattr(row, "features", b"")),
        action_propensity=row.action_propensity,
    )


def json_of_reasons(reasons: Sequence[Reason]) -> str:
    """Reasons as they are kept."""
    facts = [
        {
            "type": reason.reason_type.value,
            "subject": reason.subject,
            "paper_id": reason.paper_id,
            "similarity": reason.similarity,
        }
        for reason in reasons
    ]
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def reasons_of_json(text: str) -> tuple[Reason, ...]:
    """Reasons that were kept."""
    return tuple(
        Reason(ReasonType(fact["type"]), fact["subject"], fact["paper_id"], fact["similarity"])
        for fact in json.loads(text)
    )
