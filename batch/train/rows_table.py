"""Feature rows as Parquet files: the rows of a query are adjacent and in one file, in the order of the queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from batch.parquet import facts_of, written
from ranker.features import SCHEMA as FEATURES
from ranker.types import Int32Array
from training.data.query_groups import check_contiguous
from training.data.rows import Rows

_FEATURES = pa.list_(pa.float32(), len(FEATURES))
SCHEMA = pa.schema(
    [
        pa.field("query", pa.int32(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("features", _FEATURES, nullable=False),
    ],
    metadata={"paperfeed.features": ",".join(FEATURES.names)},
)
ROW_BYTES = 4 * (len(FEATURES) + 3)
"""Memory of one row."""


@dataclass(frozen=True)
class RowCounts:
    """Numbers of queries and rows in a file."""

    queries: int
    rows: int

    @classmethod
    def of(cls, rows: Rows) -> "RowCounts":
        """Return the counts of rows in memory."""
        return cls(len(rows.group_sizes), len(rows.labels))

    @classmethod
    def total(cls, counts: Sequence["RowCounts"]) -> "RowCounts":
        """Return the sum of the counts of several files."""
        return cls(sum(each.queries for each in counts), sum(each.rows for each in counts))


def write_rows(path: Path, rows: Rows, facts: Mapping[str, str]) -> None:
    """Write the rows, their counts and further facts to a file, complete or not at all.

    Raises:
        OSError: The operating system's error, for example on a full disk.
    """
    weights = np.ones(len(rows.labels), dtype=np.float32) if rows.weights is None else rows.weights
    columns = [
        pa.array(np.repeat(np.arange(len(rows.group_sizes), dtype=np.int32), rows.group_sizes)),
        pa.array(rows.labels.astype(np.int8)),
        pa.array(weights),
        pa.FixedSizeListArray.from_arrays(pa.array(rows.features.reshape(-1)), type=_FEATURES),
    ]
    counts = {f"paperfeed.{name}": str(count) for name, count in vars(RowCounts.of(rows)).items()}
    with written(path, SCHEMA) as file:
        file.add(pa.table(columns, schema=SCHEMA))
        file.note({**counts, **facts})


def read_rows(path: Path) -> Rows:
    """Return the rows in a file."""
    table = pq.read_table(path)
    query, label, weight, features = (table.column(name).combine_chunks() for name in SCHEMA.names)
    numbers = query.to_numpy()
    _, counted = np.unique(numbers, return_counts=True)
    sizes: Int32Array = counted.astype(np.int32)
    check_contiguous(numbers.tolist(), sizes)
    return Rows(
        features.flatten().to_numpy().reshape(-1, len(FEATURES)),
        label.to_numpy().astype(np.intp),
        sizes,
        weight.to_numpy(),
    )


def counts_of(path: Path, facts: Mapping[str, str]) -> RowCounts | None:
    """Return the counts of a file; None if it is missing, incomplete or has other facts."""
    found = facts_of(path)
    if found is None or any(found.get(name) != value for name, value in facts.items()):
        return None
    try:
        return RowCounts(*(int(found[f"paperfeed.{name}"]) for name in RowCounts.__dataclass_fields__))
    except (KeyError, ValueError):
        return None
