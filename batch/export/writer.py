"""Export of a service's database to files: papers with vectors and signals, digests, profiles, events and statistics.

An export is one consistent snapshot, streamed in the order of the keys. It appears complete or not at all.
"""

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from batch.errors import OutputUnusable
from batch.export import paper_table, profile_table
from batch.export.profile_table import USERS_AT_A_TIME
from batch.export.source import DIGESTS, EVENTS, MANIFEST_NAME, PAPERS, PROFILES
from batch.export.statistics_file import ENTRY, write_statistics
from batch.parquet import TableWriter, part_name, written
from batch.workspace import Workspace, opened_workspace, place_of, without_empty_parents
from service.app.ports import Transaction
from service.app.ranking.signals import signals_of
from service.domain.events import EventType
from service.storage import open_store

EVENTS_AT_A_TIME = 50_000
DIGESTS_AT_A_TIME = 100
_TIME = pa.timestamp("us", tz="UTC")
DIGEST_SCHEMA = pa.schema(
    [
        pa.field("digest_id", pa.string(), nullable=False),
        pa.field("date", pa.date32(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("paper_ids", pa.list_(pa.string()), nullable=False),
    ]
)
EVENT_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("paper_id", pa.string(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("occurred_at", _TIME),
    ]
)
Row = TypeVar("Row")
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the files and of their parts.

    Attributes:
        papers_at_a_time: Number of papers read together.
        row_group_bytes: Size of a row group in memory: the least that must be read to look up one paper or profile.
        rows_in_file: Number of rows after which the next file begins.
    """

    papers_at_a_time: int = 1_000
    row_group_bytes: int = 4 * 2**20
    rows_in_file: int = 200_000


@dataclass(frozen=True)
class ExportRequest:
    """The database to export, and the folder to write.

    Attributes:
        encoder: Name of the encoder whose vectors are exported.
        with_events: Whether to export every single event, in the order of arrival.
    """

    url: str
    encoder: str
    out: Path
    made_at: dt.datetime
    with_events: bool = False
    sizes: Sizes = Sizes()


def export(request: ExportRequest, advance: Advance) -> dict[str, Any]:
    """Write the export and return its manifest.

    Args:
        advance: Called with the number of papers or users just written.

    Raises:
        OutputUnusable: The folder exists already, or cannot be written.
    """
    out = place_of(request.out)
    if out.exists():
        raise OutputUnusable(out, "exists already")
    with (
        open_store(request.url, pool_size=1) as store,
        without_empty_parents(out),
        opened_workspace(out) as workspace,
        store.read() as tx,
    ):
        workspace.discard()
        try:
            manifest = _written(tx, request, workspace, advance)
            workspace.take_name()
        except OSError as error:
            raise OutputUnusable(out, f"cannot be written: {error.strerror}") from error
    return manifest


def _written(tx: Transaction, request: ExportRequest, workspace: Workspace, advance: Advance) -> dict[str, Any]:
    try:
        return _write_all(tx, request, workspace.folder, advance)
    except BaseException:
        # A snapshot is of one moment: no other run could resume it.
        with contextlib.suppress(OSError):
            workspace.discard()
        raise


def _write_all(tx: Transaction, request: ExportRequest, folder: Path, advance: Advance) -> dict[str, Any]:
    counts = {name: _write(folder / name, *parts, request.sizes) for name, parts in _tables(tx, request, advance)}
    manifest = {
        "encoder": request.encoder,
        "made_at": request.made_at.isoformat(),
        "row_counts": counts,
        ENTRY: write_statistics(tx, request.encoder, folder),
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _tables(
    tx: Transaction, request: ExportRequest, advance: Advance
) -> Iterator[tuple[str, tuple[pa.Schema, Iterable[pa.Table]]]]:
    yield PAPERS, (paper_table.SCHEMA, _papers(tx, request, advance))
    yield DIGESTS, (DIGEST_SCHEMA, _digests(tx))
    yield PROFILES, (profile_table.SCHEMA, _profiles(tx, advance))
    if request.with_events:
        yield EVENTS, (EVENT_SCHEMA, _events(tx))


def _write(folder: Path, schema: pa.Schema, tables: Iterable[pa.Table], sizes: Sizes) -> int:
    """Write tables in their order into files of bounded size; return the number of rows."""
    folder.mkdir()
    waiting = iter(tables)
    total = 0
    for number in range(10**6):
        with written(folder / part_name(number), schema, sizes.row_group_bytes) as file:
            is_full = _fill(file, waiting, sizes.rows_in_file)
        total += file.row_count
        if not is_full:
            break
    return total


def _fill(file: TableWriter, tables: Iterator[pa.Table], rows: int) -> bool:
    """Write tables to a file; return True at ``rows`` rows or more, False if no table is left."""
    for table in tables:
        file.add(table)
        if file.row_count >= rows:
            return True
    return False


def _papers(tx: Transaction, request: ExportRequest, advance: Advance) -> Iterator[pa.Table]:
    after = ""
    while papers := tx.papers.page(after=after, limit=request.sizes.papers_at_a_time):
        ids = [paper.paper_id for paper in papers]
        signals = {name: signals_of(activity) for name, activity in tx.signals.find_many(ids).items()}
        yield paper_table.table_of(papers, tx.papers.vectors(ids, request.encoder), signals)
        after = ids[-1]
        advance(len(papers))


def _digests(tx: Transaction) -> Iterator[pa.Table]:
    after: tuple[dt.date, str] | None = None
    while page := tx.digests.page(after=after, limit=DIGESTS_AT_A_TIME):
        whole = [found for digest, _ in page if (found := tx.digests.find(digest.digest_id)) is not None]
        names = ("digest_id", "date", "title")
        rows = [{name: getattr(each, name) for name in names} | {"paper_ids": list(each.paper_ids)} for each in whole]
        yield pa.Table.from_pylist(rows, schema=DIGEST_SCHEMA)
        after = (page[-1][0].date, page[-1][0].digest_id)


def _profiles(tx: Transaction, advance: Advance) -> Iterator[pa.Table]:
    after = ""
    while user_ids := tx.users.page_ids(after=after, limit=USERS_AT_A_TIME):
        states = tx.users.find_states(user_ids)
        yield profile_table.table_of([states[user_id] for user_id in user_ids])
        after = user_ids[-1]
        advance(len(user_ids))


def _events(tx: Transaction) -> Iterator[pa.Table]:
    reactions = tx.users.reactions(list(EventType))
    while rows := list(islice(reactions, EVENTS_AT_A_TIME)):
        users, papers, kinds, times = zip(*rows, strict=True)
        columns = [users, papers, [kind.value for kind in kinds], times]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, EVENT_SCHEMA, strict=True)]
        yield pa.table(arrays, schema=EVENT_SCHEMA)
