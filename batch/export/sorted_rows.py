"""A folder of Parquet files whose rows ascend by a text column, read by ranges or by values of that column."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from batch.parquet import opened, part_files


class _Group(NamedTuple):
    """A row group of a file, with its first and its last key."""

    path: Path
    number: int
    first: str
    last: str


class SortedRows:
    """The rows of one folder; one row group is in memory at a time.

    Row groups without the keys asked for are not read. (A filter of pyarrow.dataset reads them all if it has more than
    50 values.)
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._key = key
        self._groups = [group for path in part_files(folder) for group in _groups_of(path, key)]

    def between(self, after: str, until: str | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows whose key is in (after, until], ascending, in one table for each row group.

        None as ``until`` means to the end; None as ``columns`` means all columns.
        """
        wanted = pc.field(self._key) > after
        if until is not None:
            wanted &= pc.field(self._key) <= until
        for group in self._groups:
            if group.last > after and (until is None or group.first <= until):
                yield _read(group, columns).filter(wanted)

    def named(self, keys: Collection[str], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows with one of the keys, ascending, in one table for each row group."""
        ascending = sorted(keys)
        wanted = pc.field(self._key).isin(pa.array(ascending, pa.string()))
        for group in self._groups:
            start = bisect_left(ascending, group.first)
            if start < len(ascending) and ascending[start] <= group.last:
                yield _read(group, columns).filter(wanted)


def _read(group: _Group, columns: Sequence[str] | None) -> pa.Table:
    with opened(group.path) as file:
        return file.read_row_group(group.number, columns=None if columns is None else list(columns))


def _groups_of(path: Path, key: str) -> Iterator[_Group]:
    with opened(path) as file:
        for number in range(file.num_row_groups):
            # Not from the statistics: these have no checksum, so damage could hide rows.
            keys = file.read_row_group(number, columns=[key]).column(0)
            yield _Group(path, number, keys[0].as_py(), keys[-1].as_py())
