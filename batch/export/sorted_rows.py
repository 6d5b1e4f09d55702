"""Folders of Parquet files whose rows ascend by one column of text, read by ranges or by names of that column.

What is read at a time is a row group; which ones are needed follows from the least and greatest value that each names.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from batch.parquet import opened, part_files


@dataclass(frozen=True)
class _Group:
    """One row group of a file, with the first and the last key in it."""

    path: Path
    number: int
    first: str
    last: str


class SortedRows:
    """A folder of such files."""

    def __init__(self, folder: Path, key: str) -> None:
        self._key = key
        self._groups = [group for path in part_files(folder) for group in _groups_of(path, key)]

    def between(self, after: str, until: str | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Rows whose key is in (after, until], ascending, a row group at a time; None means to the end."""
        for group in self._groups:
            if group.last <= after or (until is not None and group.first > until):
                continue
            table = _read(group, columns)
            wanted = pc.greater(table.column(self._key), after)
            if until is not None:
                wanted = pc.and_(wanted, pc.less_equal(table.column(self._key), until))
            yield table.filter(wanted)

    def named(self, keys: Collection[str], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Rows with one of the keys, ascending."""
        ascending = sorted(keys)
        for group in self._groups:
            start = bisect_left(ascending, group.first)
            if start == len(ascending) or ascending[start] > group.last:
                continue
            table = _read(group, columns)
            yield table.filter(pc.is_in(table.column(self._key), pa.array(ascending, pa.string())))


def _read(group: _Group, columns: Sequence[str] | None) -> pa.Table:
    with opened(group.path) as file:
        return file.read_row_group(group.number, columns=None if columns is None else list(columns))


def _groups_of(path: Path, key: str) -> Iterator[_Group]:
    with opened(path) as file:
        column = file.schema_arrow.get_field_index(key)
        for number in range(file.num_row_groups):
            # Statistics may be cut short for long keys, the first and the last value are not.
            keys = file.read_row_group(number, columns=[file.schema_arrow.field(column).name]).column(0)
            yield _Group(path, number, keys[0].as_py(), keys[len(keys) - 1].as_py())
