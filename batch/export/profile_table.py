"""The states of users (likes, dislikes, hidden papers, preferences, interests) as an Arrow table, one row for each."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.events import Like, Preferences, UserState
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIME = pa.timestamp("us", tz="UTC")
_LIKES = pa.list_(pa.struct([pa.field("paper_id", pa.string(), nullable=False), pa.field("at", _TIME)]))
_TEXTS = pa.list_(pa.string())
_INTEREST = pa.struct(
    [
        pa.field("interest_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("paper_ids", _TEXTS, nullable=False),
        pa.field("weight", pa.float64()),
        pa.field("paused", pa.bool_(), nullable=False),
        pa.field("merged_ids", _TEXTS, nullable=False),
    ]
)
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
        # Both are null for users who have not edited interests; exports of earlier versions lack them.
        pa.field("interests", pa.list_(_INTEREST)),
        pa.field("unsorted_paper_ids", _TEXTS),
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
        **_interest_columns(state.interests),
    }


def _interest_columns(stored: StoredInterests | None) -> dict[str, Any]:
    if stored is None:
        return {"interests": None, "unsorted_paper_ids": None}
    interests = [{**asdict(each), "origin": each.origin.value} for each in stored.interests]
    return {"interests": interests, "unsorted_paper_ids": sorted(stored.unsorted_paper_ids)}


def _interests_of(row: dict[str, Any]) -> StoredInterests | None:
    if row.get("interests") is None:
        return None
    interests = tuple(
        StoredInterest(
            interest_id=each["interest_id"],
            name=each["name"],
            origin=InterestOrigin(each["origin"]),
            paper_ids=tuple(each["paper_ids"]),
            weight=each["weight"],
            paused=each["paused"],
            merged_ids=tuple(each["merged_ids"]),
        )
        for each in row["interests"]
    )
    return StoredInterests(interests, frozenset(row["unsorted_paper_ids"]))


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
        interests=_interests_of(row),
    )
