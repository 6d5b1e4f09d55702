"""Parquet files that appear complete or not at all; damage is found when they are read."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batch.errors import InputUnusable
from batch.workspace import new_file

COMPRESSION = "zstd"
ROW_GROUP_BYTES = 32 * 2**20


class TableWriter:
    """Appends tables of one schema to a file; holds at most one row group of them in memory."""

    def __init__(self, writer: pq.ParquetWriter, row_group_bytes: int) -> None:
        self._writer = writer
        self._row_group_bytes = row_group_bytes
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self.row_count = 0

    def add(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        self.row_count += table.num_rows
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= self._row_group_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the rows in memory as a row group."""
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=self.row_count or None)
        self._waiting, self._waiting_bytes = [], 0

    def note(self, facts: Mapping[str, str]) -> None:
        """Add facts to the file's own metadata."""
        self._writer.add_key_value_metadata(dict(facts))


@contextlib.contextmanager
def written(path: Path, schema: pa.Schema, row_group_bytes: int = ROW_GROUP_BYTES) -> Iterator[TableWriter]:
    """Write a file as ``workspace.new_file`` does, complete or not at all."""
    with (
        new_file(path) as stream,
        pq.ParquetWriter(stream, schema, compression=COMPRESSION, write_page_checksum=True) as writer,
    ):
        tables = TableWriter(writer, row_group_bytes)
        yield tables
        tables.flush()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file whose page checksums are verified as it is read.

    Raises:
        InputUnusable: The file cannot be read or is damaged; raised at opening and inside the block.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        code = getattr(error, "errno", None)
        problem = os.strerror(code) if code else str(error).partition("\n")[0]
        raise InputUnusable(path, f"cannot be read ({problem})") from error


def part_name(number: int) -> str:
    """Return the name of a table's file; names sort in the order of the numbers."""
    return f"part-{number:06d}.parquet"


def part_files(folder: Path) -> list[Path]:
    """Return the files of a table's folder, in the order of their numbers."""
    return sorted(folder.glob("part-*.parquet"))


def facts_of(path: Path) -> dict[str, str] | None:
    """Return the facts in a file's metadata; None if no complete file is there."""
    try:
        found = pq.read_metadata(path).metadata
    except (OSError, pa.ArrowInvalid):
        return None
    return {key.decode(): value.decode() for key, value in (found or {}).items()}


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed writers; a writer that still runs for a dead job then ends with an error."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
