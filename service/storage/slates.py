"""Served slates and precomputed slates in the database. Each slate is one row, so storing or reading it is cheap."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, tuple_

from database.statements import chunks, from_row, put_rows, rows_in, to_row
from service.domain.feeds import PrecomputedSlate, Reason, ReasonType, Slate, SlateItem, SlateSection
from service.storage.tables import precomputed_slates, slates, users

_INSERT = slates.insert()
_INSERT_OF_KNOWN_USER = (
    slates.insert()
    .from_select(
        [column.name for column in slates.c],
        # The lock makes a deletion of the user wait and then find the slate. Updates of the user do not wait for it.
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
_NEWEST_USERS = select(slates.c.user_id).order_by(slates.c.created_at.desc(), slates.c.slate_id.desc())

_PRECOMPUTED = select(precomputed_slates).where(
    precomputed_slates.c.user_id == bindparam("user_id"), precomputed_slates.c.digest_id == bindparam("digest_id")
)
_USER_VERSIONS = select(users.c.user_id, users.c.version).order_by(users.c.user_id).with_for_update(key_share=True)

_REASON_TYPES: dict[str, ReasonType] = {kind: kind for kind in ReasonType}
_encoder = msgspec.json.Encoder()


class SqlSlates:
    """``service.app.ports.SlateStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, slate: Slate, *, of_known_user: bool = False) -> bool:
        statement = _INSERT_OF_KNOWN_USER if of_known_user else _INSERT
        row = to_row(slate, digest_id=" ".join(slate.digest_ids), items=_json_of_items(slate.items))
        del row["digest_ids"]
        stored = self._connection.execute(statement, row)
        return not of_known_user or stored.rowcount == 1

    def find(self, slate_id: str, *, with_features: bool = False) -> Slate | None:
        statement = _SLATES_WITH_FEATURES if with_features else _SLATES
        row = self._connection.execute(statement.where(slates.c.slate_id == slate_id)).first()
        return None if row is None else _slate_of(row)

    def recent_user_ids(self, *, slates: int) -> list[str]:
        return list(dict.fromkeys(self._connection.scalars(_NEWEST_USERS.limit(slates))))

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
            statement = statement.where(tuple_(created_at, slate_id) > after)
        return [_slate_of(row) for row in self._connection.execute(statement)]


class SqlPrecomputed:
    """``service.app.ports.PrecomputedStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, slates: Sequence[PrecomputedSlate]) -> int:
        wanted = sorted({slate.user_id for slate in slates})
        found = rows_in(self._connection, _USER_VERSIONS, users.c.user_id, wanted)
        versions = {row.user_id: row.version for row in found}
        fitting = [slate for slate in slates if versions.get(slate.user_id) == slate.user_version]
        rows = [to_row(slate, items=_json_of_items(slate.items)) for slate in fitting]
        put_rows(self._connection, precomputed_slates, rows)
        return len(fitting)

    def find(self, user_id: str, digest_id: str) -> PrecomputedSlate | None:
        row = self._connection.execute(_PRECOMPUTED, {"user_id": user_id, "digest_id": digest_id}).first()
        return None if row is None else _precomputed_of(row)

    def of_user_after(self, user_id: str, digest_id: str, *, limit: int) -> list[PrecomputedSlate]:
        table = precomputed_slates.c
        wanted = select(*(column for column in table if column.name != "features"))
        chosen = wanted.where(table.user_id == user_id, table.digest_id > digest_id)
        return [_precomputed_of(row) for row in self._connection.execute(chosen.order_by(table.digest_id).limit(limit))]


def _slate_of(row: Row[Any]) -> Slate:
    return from_row(
        Slate,
        row,
        digest_ids=tuple(row.digest_id.split()),
        items=_items_of_json(row.items),
        features=bytes(getattr(row, "features", b"")),
        sections=tuple(SlateSection(*each) for each in row.sections),
    )


def _precomputed_of(row: Row[Any]) -> PrecomputedSlate:
    return from_row(
        PrecomputedSlate, row, items=_items_of_json(row.items), features=bytes(getattr(row, "features", b""))
    )


def _json_of_items(items: Sequence[SlateItem]) -> str:
    """Return the stored form of a slate's items by rank.

    Each item is a list of paper_id, score, action_propensity and reasons. If the item is in a section or has a
    probability, its interest_id follows, and then the probability, if there is one.
    """
    rows: list[tuple[Any, ...]] = []
    for _, paper_id, score, reasons, action_propensity, interest_id, probability in items:
        row = (paper_id, score, action_propensity, reasons)
        if probability is not None:
            rows.append((*row, interest_id, probability))
        else:
            rows.append((*row, interest_id) if interest_id else row)
    return _encoder.encode(rows).decode()


def _items_of_json(text: str) -> tuple[SlateItem, ...]:
    return tuple(
        SlateItem(
            rank=rank,
            paper_id=paper_id,
            score=score,
            reasons=tuple([Reason(_REASON_TYPES[kind], *rest) for kind, *rest in reasons]),
            action_propensity=action_propensity,
            interest_id=more[0] if more else "",
            probability=more[1] if len(more) > 1 else None,
        )
        for rank, (paper_id, score, action_propensity, reasons, *more) in enumerate(json.loads(text), 1)
    )
