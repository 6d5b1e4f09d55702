"""What users' events say of them as an Arrow table, one row for each user."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from service.domain.events import Like, Preferences, UserState

_TIME = pa.timestamp("us", tz="UTC")
_LIKES = pa.list_(pa.struct([pa.field("paper_id", pa.string(), nullable=False), pa.field("at", _TIME)]))
_TEXTS = pa.list_(pa.string())
_PREFERENCES = tuple(Preferences.__dataclass_fields__)
SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("likes", _LIKES, nullable=False),
        pa.field("dislikes", _LIKES, nullable=False),
        pa.field("hidden_paper_ids", _TEXTS, nullable=False),
        *(pa.field(name, _TEXTS, nullable=False) for name in _PREFERENCES),
        pa.field("created_at", _TIME, nullable=False),
        pa.field("updated_at", _TIME, nullable=False),
    ]
)


def table_of(states: Sequence[UserState]) -> pa.Table:
    """The users in their order."""
    return pa.Table.from_pylist([_row_of(state) for state in states], schema=SCHEMA)


def states_of(table: pa.Table) -> list[UserState]:
    """The users in their order."""
    return [_state_of(row) for row in table.to_pylist()]


def _row_of(state: UserState) -> dict[str, Any]:
    return {
        "user_id": state.user_id,
        "version": state.version,
        "likes": _pairs(state.likes),
        "dislikes": _pairs(state.dislikes),
        "hidden_paper_ids": sorted(state.hidden_paper_ids),
        **{name: list(getattr(state.preferences, name)) for name in _PREFERENCES},
        "created_at": state.created_at,
        "updated_at": state.updated_at,
    }


def _pairs(likes: Iterable[Like]) -> list[dict[str, Any]]:
    return [{"paper_id": like.paper_id, "at": like.liked_at} for like in likes]


def _state_of(row: dict[str, Any]) -> UserState:
    return UserState(
        user_id=row["user_id"],
        version=row["version"],
        likes=tuple(Like(each["paper_id"], each["at"]) for each in row["likes"]),
        dislikes=tuple(Like(each["paper_id"], each["at"]) for each in row["dislikes"]),
        hidden_paper_ids=frozenset(row["hidden_paper_ids"]),
        preferences=Preferences(**{name: tuple(row[name]) for name in _PREFERENCES}),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
