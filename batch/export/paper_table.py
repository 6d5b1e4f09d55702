"""Papers as an Arrow table: texts, vectors of one encoder, and the upvotes and events that make a paper trend.

Numbers keep all their bits, so that ranking from a file equals ranking from the database.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ranker.signals import NO_SIGNALS, PaperSignals
from service.app.ports import Vectors
from service.domain.papers import EmbeddingState, Paper

_TIME = pa.timestamp("us", tz="UTC")
EVENT_USERS = "event_readers"
"""Column that holds, for each event of a paper, the code of its user."""
_SIGNALS = {
    "snapshot_at": ("snapshot_at", pa.float64()),
    "snapshot_upvotes": ("snapshot_upvotes", pa.float64()),
    "event_at": ("event_at", pa.float64()),
    "event_weights": ("event_weights", pa.float64()),
    EVENT_USERS: ("event_users", pa.int64()),
    "heats": ("heats", pa.float64()),
}
"""Field of ``PaperSignals`` and type of each column."""
_FIELDS = ("paper_id", "title", "abstract", "authors", "categories", "url", "published_at", "first_seen_at", "upvotes")
_LISTS = ("authors", "categories")
SCHEMA = pa.schema(
    [
        pa.field("paper_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("abstract", pa.string(), nullable=False),
        pa.field("authors", pa.list_(pa.string()), nullable=False),
        pa.field("categories", pa.list_(pa.string()), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("published_at", _TIME),
        pa.field("first_seen_at", _TIME),
        pa.field("upvotes", pa.int64()),
        pa.field("embedding", pa.list_(pa.float32())),
        *(pa.field(name, pa.list_(kind), nullable=False) for name, (_, kind) in _SIGNALS.items()),
    ]
)

PAPER_COLUMNS = (*_FIELDS, "embedding")
"""Columns that ``papers_of`` reads."""


def table_of(
    papers: Sequence[Paper], vectors: Mapping[str, Vectors], signals: Mapping[str, PaperSignals] | None = None
) -> pa.Table:
    """Return a row for each paper; a paper without a vector gets a null, one without signals gets empty lists."""
    columns: dict[str, Any] = {
        name: [list(value) if name in _LISTS else value for value in (getattr(paper, name) for paper in papers)]
        for name in _FIELDS
    }
    columns["embedding"] = [vectors.get(paper.paper_id) for paper in papers]
    known = [(signals or {}).get(paper.paper_id, NO_SIGNALS) for paper in papers]
    columns |= {name: [getattr(each, field) for each in known] for name, (field, _) in _SIGNALS.items()}
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def papers_of(table: pa.Table) -> list[Paper]:
    """Return the paper of each row."""
    rows: list[dict[str, Any]] = table.select(_FIELDS).to_pylist()
    has_vector = table.column("embedding").is_valid().to_pylist()
    return [
        Paper(
            **(row | {name: tuple(row[name]) for name in _LISTS}),
            embedding_state=EmbeddingState.READY if ready else EmbeddingState.PENDING,
        )
        for row, ready in zip(rows, has_vector, strict=True)
    ]


def vectors_of(table: pa.Table) -> dict[str, Vectors]:
    """Return the vectors by paper id; papers without one are left out."""
    ids = table.column("paper_id").to_pylist()
    return {
        paper_id: np.asarray(value.values, dtype=np.float32)
        for paper_id, value in zip(ids, _scalars(table.column("embedding")), strict=True)
        if value.is_valid
    }


def signals_of(table: pa.Table) -> list[PaperSignals]:
    """Return the signals of each row."""
    columns = {
        field: [np.asarray(value.values, dtype=kind.to_pandas_dtype()) for value in _scalars(table.column(name))]
        for name, (field, kind) in _SIGNALS.items()
    }
    return [PaperSignals(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def without_user(table: pa.Table, code: int) -> pa.Table:
    """Return the table without the events of one user, by the code in ``EVENT_USERS``; all papers stay."""
    signals = [each.without_user(code) for each in signals_of(table)]
    for name, (field, _) in _SIGNALS.items():
        place = table.schema.get_field_index(name)
        values = pa.array([getattr(each, field) for each in signals], table.schema.field(name).type)
        table = table.set_column(place, table.schema.field(name), values)
    return table


def _scalars(column: pa.ChunkedArray) -> Iterator[Any]:
    return (value for chunk in column.chunks for value in chunk)
