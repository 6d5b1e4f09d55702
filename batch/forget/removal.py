"""Removing a user's rows from exports and re-ranked slates, so that both stay complete and readable.

Each file is replaced as a whole. The new manifest is written first, under another name, and takes its own name at the
end. If the removal is interrupted, readers refuse the folder, and the same removal continues it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from batch.errors import OutputUnusable
from batch.export import paper_table
from batch.export.paper_table import EVENT_USERS
from batch.export.source import MANIFEST_NAME, PENDING_NAME
from batch.forget.places import USER_ID, Kind, Place, is_pending
from batch.parquet import facts_of, opened, written
from batch.rerank.output import COUNTS
from batch.workspace import write_file
from service.app.ranking.signals import user_code
from service.domain.events import user_id_hash

_USER_COUNT, _ITEM_COUNT, _ = COUNTS


def remove_rows(place: Place, user_id: str) -> None:
    """Remove the user's rows from a place without a problem. Nothing changes where there are none.

    Raises:
        InputUnusable: A file is damaged.
        OutputUnusable: A file cannot be replaced; repeating the removal continues it.
    """
    folder = place.folder
    if not place.rows and not is_pending(folder, user_id):
        return
    if not is_pending(folder, user_id):
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        pending = {"user_id_hash": user_id_hash(user_id), "manifest": _without(manifest, place)}
        write_file(folder / PENDING_NAME, json.dumps(pending).encode())
    for path, count in place.rows.items():
        _rewrite(path, user_id, count)
    manifest = json.loads((folder / PENDING_NAME).read_text(encoding="utf-8"))["manifest"]
    write_file(folder / MANIFEST_NAME, (json.dumps(manifest, indent=2) + "\n").encode())
    (folder / PENDING_NAME).unlink()


def _without(manifest: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Return the manifest with the counts that hold after the removal."""
    if place.kind is Kind.SLATES:
        item_count = manifest[_ITEM_COUNT] - sum(place.rows.values())
        return {**manifest, _USER_COUNT: manifest[_USER_COUNT] - len(place.rows), _ITEM_COUNT: item_count}
    counts = dict(manifest["row_counts"])
    for table, count in place.counts.items():
        # Papers lose entries of their lists, and no row.
        if table != "papers":
            counts[table] -= count
    return {**manifest, "row_counts": counts}


def _rewrite(path: Path, user_id: str, count: int) -> None:
    """Replace a file by one without the user's rows; rows and row groups keep their order."""
    with opened(path) as file:
        schema = file.schema_arrow
    of_schema = {name.decode() for name in schema.metadata or {}}
    facts = {name: value for name, value in (facts_of(path) or {}).items() if name not in of_schema}
    try:
        with written(path, schema) as target:
            for table in _tables_without(path, user_id):
                target.add(table)
                target.flush()
            target.note(_facts_without(facts, count))
    except OSError as error:
        raise OutputUnusable(path, f"cannot be replaced: {error.strerror}") from error


def _tables_without(path: Path, user_id: str) -> Iterator[pa.Table]:
    """Yield the row groups without the user's rows; those that become empty are left out."""
    with opened(path) as file:
        for number in range(file.num_row_groups):
            kept = _kept(file.read_row_group(number), user_id)
            if kept.num_rows:
                yield kept


def _facts_without(facts: Mapping[str, str], count: int) -> dict[str, str]:
    """Return the facts of a file of which ``count`` rows of one user are removed; slates count users and items."""
    less = {_USER_COUNT: 1, _ITEM_COUNT: count}
    names = {f"paperfeed.{name}": number for name, number in less.items()}
    own = {name: value for name, value in facts.items() if name.startswith("paperfeed.")}
    return {name: str(int(value) - names[name]) if name in names else value for name, value in own.items()}


def _kept(table: pa.Table, user_id: str) -> pa.Table:
    """Return the rows of other users; of papers, all rows, without the user's events in their lists."""
    if EVENT_USERS in table.column_names:
        return paper_table.without_user(table, user_code(user_id))
    return table.filter(pc.not_equal(table.column(USER_ID), pa.scalar(user_id)))
