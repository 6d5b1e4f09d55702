"""Storing the slates of a finished re-rank in the service's database, where GetFeed can serve them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from batch.parquet import opened, part_files
from batch.rerank.job import Job
from service.app.ports import Store
from service.domain.feeds import FallbackReason, PrecomputedSlate, Reason, ReasonType, SlateItem

SLATES_AT_A_TIME = 100
"""Slates of one transaction; small, so that the service can write in between."""


def store_slates(out: Path, manifest: dict[str, Any], store: Store, advance: Callable[[int], None]) -> int:
    """Store the slates of known users whose events have not changed since; return their number. Safe to repeat.

    Args:
        manifest: The output's manifest.
        advance: Called with the number of slates just handled.
    """
    stored = 0
    for path in part_files(out):
        slates = _slates_of(path, manifest)
        while some := list(islice(slates, SLATES_AT_A_TIME)):
            with store.write() as tx:
                stored += tx.precomputed.put(some)
            advance(len(some))
    return stored


def _slates_of(path: Path, manifest: dict[str, Any]) -> Iterator[PrecomputedSlate]:
    """Yield the slates of known users; a user's rows are adjacent, but may span two row groups."""
    job = Job.from_json(manifest["job"])
    with opened(path) as file:
        tables = (file.read_row_group(number) for number in range(file.num_row_groups))
        for _, rows in groupby(chain.from_iterable(map(_rows_of, tables)), key=itemgetter("user_id")):
            slate = list(rows)
            if slate[0]["user_version"] is not None:
                yield _slate_of(slate, job, manifest)


def _rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    features: Sequence[bytes] = [b""] * table.num_rows
    if "features" in table.column_names:
        column = table.column("features").combine_chunks()
        width = column.type.list_size
        values = np.asarray(column.flatten() if not column.null_count else column.fill_null([0.0] * width).flatten())
        known = column.is_valid().to_pylist()
        rows = values.astype("<f4").reshape(-1, width)
        features = [row.tobytes() if is_known else b"" for row, is_known in zip(rows, known, strict=True)]
        table = table.drop_columns("features")
    for row, bytes_of_row in zip(table.to_pylist(), features, strict=True):
        yield row | {"features": bytes_of_row}


def _slate_of(rows: Sequence[dict[str, Any]], job: Job, manifest: dict[str, Any]) -> PrecomputedSlate:
    first = rows[0]
    return PrecomputedSlate(
        user_id=first["user_id"],
        digest_id=job.digest_id,
        user_version=first["user_version"],
        digest_version=manifest["digest_version"],
        model_version=first["model_version"],
        features_version=job.features_version if any(row["features"] for row in rows) else "",
        diversity=job.diversity,
        fallback_reason=FallbackReason(first["fallback_reason"]),
        as_of=job.as_of,
        pending_paper_count=manifest["pending_paper_count"],
        is_whole=len(rows) < job.page_size,
        items=tuple(map(_item_of, rows)),
        features=b"".join(row["features"] for row in rows),
        # Files of an earlier version have no such column.
        statistics_version=first.get("statistics_version", 0),
    )


def _item_of(row: dict[str, Any]) -> SlateItem:
    return SlateItem(
        rank=row["rank"],
        paper_id=row["paper_id"],
        score=row["score"],
        reasons=tuple(
            Reason(ReasonType(each["type"]), each["subject"], each["paper_id"], each["similarity"])
            for each in row["reasons"]
        ),
        action_propensity=row["action_propensity"],
        # Files of an earlier version have no such column.
        probability=row.get("probability"),
    )
