"""Slates in the database. A slate is one row, written once, in one statement, by every feed that is served."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select

from service.domain.feeds import Reason, ReasonType, Slate, SlateItem
from service.storage.dialects import chunks
from service.storage.tables import slates, users

_FACTS = tuple(column.name for column in slates.c if column.name not in {"items", "features"})
_INSERT = slates.insert()
_OF_KNOWN_USER = (
    slates.insert()
    .from_select(
        [column.name for column in slates.c],
        # The lock makes a deletion wait, so that it finds the slate; new versions of the user do not wait for it.
        select(*(bindparam(column.name, type_=column.type) for column in slates.c))
        .select_from(users)
        .where(users.c.user_id == bindparam("user_id", type_=users.c.user_id.type))
        .with_for_update(read=True, key_share=True),
    )
    .execution_options(preserve_rowcount=True)
)
_SLATES = select(*(column for column in slates.c if column.name != "features"))
_SLATES_WITH_FEATURES = select(slates)
_SLATES_AT_A_TIME = 200
_TYPES = {kind.value: kind for kind in ReasonType}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class SqlSlates:
    """``service.app.ports.SlateStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, slate: Slate, *, of_known_user: bool = False) -> bool:
        row = {name: getattr(slate, name) for name in _FACTS}
        row |= {"items": json_of_items(slate.items), "features": slate.features}
        stored = self._connection.execute(_OF_KNOWN_USER if of_known_user else _INSERT, row)
        return not of_known_user or stored.rowcount == 1

    def find(self, slate_id: str, *, with_features: bool = False) -> Slate | None:
        statement = _SLATES_WITH_FEATURES if with_features else _SLATES
        row = self._connection.execute(statement.where(slates.c.slate_id == slate_id)).first()
        return None if row is None else _slate_of(row)

    def of_user(self, user_id: str, *, with_features: bool = False) -> Iterator[Slate]:
        statement = _SLATES_WITH_FEATURES if with_features else _SLATES
        in_order = (slates.c.created_at, slates.c.slate_id)
        wanted = select(slates.c.slate_id).where(slates.c.user_id == user_id).order_by(*in_order)
        for slate_ids in chunks(list(self._connection.scalars(wanted)), _SLATES_AT_A_TIME):
            rows = self._connection.execute(statement.where(slates.c.slate_id.in_(slate_ids)).order_by(*in_order))
            yield from map(_slate_of, rows.all())

    def of_user_after(self, user_id: str, after: tuple[dt.datetime, str] | None, *, limit: int) -> list[Slate]:
        created_at, slate_id = slates.c.created_at, slates.c.slate_id
        statement = _SLATES.where(slates.c.user_id == user_id).order_by(created_at, slate_id).limit(limit)
        if after is not None:
            at_that_time = and_(created_at == after[0], slate_id > after[1])
            statement = statement.where(or_(created_at > after[0], at_that_time))
        return [_slate_of(row) for row in self._connection.execute(statement)]


def _slate_of(row: Row[Any]) -> Slate:
    features = bytes(getattr(row, "features", b""))
    return Slate(**{name: getattr(row, name) for name in _FACTS}, items=items_of_json(row.items), features=features)


def json_of_items(items: Sequence[SlateItem]) -> str:
    """A slate's items as they are kept: lists of paper_id, score, action_propensity and reasons, in order of rank."""
    return _encode(
        [
            (
                item.paper_id,
                item.score,
                item.action_propensity,
                [(reason.reason_type.value, *reason[1:]) for reason in item.reasons],
            )
            for item in items
        ]
    )


def items_of_json(text: str) -> tuple[SlateItem, ...]:
    """Items that were kept."""
    return tuple(
        SlateItem(
            rank=place,
            paper_id=paper_id,
            score=score,
            reasons=tuple([Reason(_TYPES[kind], *rest) for kind, *rest in reasons]),
            action_propensity=action_propensity,
        )
        for place, (paper_id, score, action_propensity, reasons) in enumerate(json.loads(text), 1)
    )
