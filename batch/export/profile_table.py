"""The states of users (likes, dislikes, hidden papers, preferences) as an Arrow table, one row for each user."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.events import Like, Preferences, UserState

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIME = pa.timestamp("us", tz="UTC")
_LIKES = pa.list_(pa.struct([pa.field("paper_id", pa.string(), nullable=False), pa.field("at", _TIME)]))
_TEXTS = pa.list_(pa.string())
_PREFERENCES = tuple(Preferences.__dataclass_fields__)
USERS_AT_A_TIME = 500
"""Number of users that are read together, from a database or an export."""
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
    """Return a row for each user."""
    return pa.Table.from_pylist([_row_of(state) for state in states], schema=SCHEMA)


def states_of(table: pa.Table) -> list[UserState]:
    """Return the state of each row's user."""
    likes, dislikes = (_likes_of(table.column(name)) for name in ("likes", "dislikes"))
    rows = table.drop_columns(["likes", "dislikes"]).to_pylist()
    return [_state_of(*each) for each in zip(rows, likes, dislikes, strict=True)]


def _likes_of(column: pa.ChunkedArray) -> Iterator[tuple[Like, ...]]:
    """Yield the likes of each row.

    Times are computed from whole numbers: Arrow's own conversion to aware datetimes takes ten times as long.
    """
    for chunk in column.chunks:
        flat = chunk.flatten()
        moments = flat.field("at").cast(pa.int64()).to_pylist()
        times = [None if each is None else _EPOCH + dt.timedelta(microseconds=each) for each in moments]
        found = tuple(map(Like, flat.field("paper_id").to_pylist(), times))
        ends = np.cumsum(pc.list_value_length(chunk).to_numpy(zero_copy_only=False)).tolist()
        yield from (found[start:end] for start, end in zip([0, *ends], ends, strict=False))


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


def _state_of(row: dict[str, Any], likes: tuple[Like, ...], dislikes: tuple[Like, ...]) -> UserState:
    return UserState(
        user_id=row["user_id"],
        version=row["version"],
        likes=likes,
        dislikes=dislikes,
        hidden_paper_ids=frozenset(row["hidden_paper_ids"]),
        preferences=Preferences(**{name: tuple(row[name]) for name in _PREFERENCES}),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
