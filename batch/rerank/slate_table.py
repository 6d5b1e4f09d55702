"""Slates as an Arrow table, one row for each item, with the columns that docs/batch.md documents."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from ranker.features import SCHEMA as FEATURES
from service.app.ranking.ranking import Ranking
from service.domain.feeds import Reason

_REASON = pa.struct(
    [
        pa.field("type", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("paper_id", pa.string(), nullable=False),
        pa.field("similarity", pa.float64()),
    ]
)
_FEATURES = pa.field("features", pa.list_(pa.float32(), len(FEATURES)))


def schema(*, with_features: bool) -> pa.Schema:
    """Return the columns, in order."""
    fields = [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("paper_id", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("reasons", pa.list_(_REASON), nullable=False),
        pa.field("fallback_reason", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("digest_id", pa.string(), nullable=False),
        pa.field("as_of", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("user_version", pa.int64()),
        pa.field("action_propensity", pa.float64(), nullable=False),
        pa.field("statistics_version", pa.int64(), nullable=False),
        pa.field("probability", pa.float64()),
    ]
    notes = {"paperfeed.features": ",".join(FEATURES.names)} if with_features else None
    return pa.schema([*fields, _FEATURES] if with_features else fields, metadata=notes)


@dataclass(frozen=True)
class UserSlate:
    """One user's slate.

    Attributes:
        user_version: Version of the user's state that was ranked; None for an unknown user.
    """

    user_id: str
    user_version: int | None
    ranking: Ranking


def table_of(
    slates: Sequence[UserSlate], digest_id: str, as_of: dt.datetime, *, with_features: bool = False
) -> pa.Table:
    """Return the rows of the slates in their order; an empty slate has no row."""
    items = [item for slate in slates for item in slate.ranking.items]
    owners = pa.array(np.repeat(np.arange(len(slates)), [len(slate.ranking.items) for slate in slates]))

    def each(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(owners)

    columns = [
        each([slate.user_id for slate in slates], pa.string()),
        pa.array([item.rank for item in items], pa.int32()),
        pa.array([item.paper_id for item in items], pa.string()),
        pa.array([item.score for item in items], pa.float64()),
        _reasons([item.reasons for item in items]),
        each([slate.ranking.fallback_reason.value for slate in slates], pa.string()),
        each([slate.ranking.model_version for slate in slates], pa.string()),
        pa.repeat(pa.scalar(digest_id), len(items)),
        pa.repeat(pa.scalar(as_of, pa.timestamp("us", tz="UTC")), len(items)),
        each([slate.user_version for slate in slates], pa.int64()),
        pa.array([item.action_propensity for item in items], pa.float64()),
        each([slate.ranking.statistics_version for slate in slates], pa.int64()),
        pa.array([item.probability for item in items], pa.float64()),
    ]
    if with_features:
        columns.append(_features([slate.ranking for slate in slates]))
    return pa.table(columns, schema=schema(with_features=with_features))


def _reasons(reasons: Sequence[Sequence[Reason]]) -> pa.Array:
    flat = list(chain.from_iterable(reasons))
    starts = np.concatenate(([0], np.cumsum([len(each) for each in reasons], dtype=np.int32))).astype(np.int32)
    structs = pa.StructArray.from_arrays(
        [
            pa.array([reason.reason_type.value for reason in flat], pa.string()),
            pa.array([reason.subject for reason in flat], pa.string()),
            pa.array([reason.paper_id for reason in flat], pa.string()),
            pa.array([reason.similarity for reason in flat], pa.float64()),
        ],
        fields=list(_REASON),
    )
    return pa.ListArray.from_arrays(pa.array(starts), structs)


def _features(rankings: Sequence[Ranking]) -> pa.Array:
    """Return the features of each item; null if no model scored it."""
    width = len(FEATURES)
    parts = [ranking.features or bytes(4 * width * len(ranking.items)) for ranking in rankings]
    empty = np.repeat([not ranking.features for ranking in rankings], [len(ranking.items) for ranking in rankings])
    values = np.frombuffer(b"".join(parts), dtype="<f4").astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values), width, mask=pa.array(empty))
