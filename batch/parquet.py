"""Parquet files that appear whole or not at all, whoever is killed and whatever is full; damage is found."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batch.errors import InputUnusable

COMPRESSION = "zstd"
ROW_GROUP_BYTES = 32 * 2**20
_LEFTOVER = ".*.tmp"


class TableWriter:
    """Adds tables of one schema to a file; holds at most one row group of them in memory."""

    def __init__(self, writer: pq.ParquetWriter, row_group_bytes: int) -> None:
        self._writer = writer
        self._row_group_bytes = row_group_bytes
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self.row_count = 0

    def add(self, table: pa.Table) -> None:
        """Appends the rows."""
        self.row_count += table.num_rows
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= self._row_group_bytes:
            self.flush()

    def flush(self) -> None:
        """Writes what was added."""
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=self.row_count or None)
        self._waiting, self._waiting_bytes = [], 0

    def note(self, facts: Mapping[str, str]) -> None:
        """Facts for the file's own metadata."""
        self._writer.add_key_value_metadata(dict(facts))


@contextlib.contextmanager
def written(path: Path, schema: pa.Schema, row_group_bytes: int = ROW_GROUP_BYTES) -> Iterator[TableWriter]:
    """Writes a file that takes its name when the block ends well; on any error nothing of it stays.

    Raises:
        OSError: As the disk says it, when it is full for example.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as stream:
            with pq.ParquetWriter(stream, schema, compression=COMPRESSION, write_page_checksum=True) as writer:
                tables = TableWriter(writer, row_group_bytes)
                yield tables
                tables.flush()
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A file to read from, by pages whose checksums are looked at.

    Raises:
        InputUnusable: It cannot be read, or is damaged; while it is open too.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        code = getattr(error, "errno", None)
        problem = os.strerror(code) if code else str(error).partition("\n")[0]
        raise InputUnusable(path, f"cannot be read ({problem})") from error


def part_name(number: int) -> str:
    """Of the file with a table's rows of this place, in the order of the names."""
    return f"part-{number:06d}.parquet"


def part_files(folder: Path) -> list[Path]:
    """The files of a table that lies in a folder, in their order."""
    return sorted(folder.glob("part-*.parquet"))


def facts_of(path: Path) -> dict[str, str] | None:
    """The facts noted in a file's metadata; None where there is no whole file."""
    try:
        found = pq.read_metadata(path).metadata
    except (OSError, pa.ArrowInvalid):
        return None
    return {key.decode(): value.decode() for key, value in (found or {}).items()}


def remove_leftovers(folder: Path) -> None:
    """Removes what killed writers left. One still at it, for a job that is dead, finds its file gone and ends."""
    for path in folder.glob(_LEFTOVER):
        path.unlink(missing_ok=True)
