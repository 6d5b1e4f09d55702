"""Placed papers in a file on a worker's disk: reading a paper takes a tenth of the time of placing it."""

import io
import mmap
import os
import pickle
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ranker.papers import paper_columns
from ranker.spaces.spaces import PaperMatrix, taken_rows
from ranker.types import IndexArray

MOST_BYTES = 4 * 2**30
"""Maximum size of the file, some 300,000 papers: a job must not fill the disk that it writes to."""
_ALIGNMENT = 64


@dataclass(frozen=True)
class _Block:
    """Papers that were put together: a pickle without its arrays, and the place of each array in the file."""

    head: bytes
    offset: int
    ends: tuple[int, ...]


class Shelf:
    """Placed papers in a file without a name, which the system removes when the process ends. For one thread.

    It keeps what a user's profile needs: ids, titles, categories, and the rows in all spaces.

    Args:
        folder: Folder of the file.
        most_bytes: Maximum size of the file; papers that would make it larger are not kept.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._blocks: list[_Block] = []
        self._places: dict[str, tuple[int, int]] = {}

    def __contains__(self, paper_id: str) -> bool:
        return paper_id in self._places

    @cached_property
    def _file(self) -> io.FileIO:
        file: io.FileIO = tempfile.TemporaryFile(buffering=0, prefix=".liked-", dir=self._folder)  # noqa: SIM115
        weakref.finalize(self, file.close)
        return file

    def put(self, papers: PaperMatrix) -> None:
        """Add papers that are not on the shelf yet; add none of them if they do not fit.

        Raises:
            OSError: The disk is full; nothing was added.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(_content(papers), protocol=5, buffer_callback=buffers.append)
        size = self._file.seek(0, os.SEEK_END)
        offset = size + -size % mmap.ALLOCATIONGRANULARITY
        if offset + sum(buffer.raw().nbytes for buffer in buffers) > self._most_bytes:
            return
        self._file.seek(offset)
        ends = []
        for buffer in buffers:
            self._write(buffer.raw())
            ends.append(self._file.tell() - offset)
            self._write(memoryview(bytes(-ends[-1] % _ALIGNMENT)))
        number = len(self._blocks)
        self._blocks.append(_Block(head, offset, tuple(ends)))
        self._places |= {paper_id: (number, row) for paper_id, row in papers.row_of.items()}

    def take(self, paper_ids: Iterable[str]) -> Iterator[PaperMatrix]:
        """Yield papers that are on the shelf, in parts and in no given order."""
        rows: defaultdict[int, list[int]] = defaultdict(list)
        for paper_id in paper_ids:
            number, row = self._places[paper_id]
            rows[number].append(row)
        for number, own in sorted(rows.items()):
            yield self._read(self._blocks[number], np.array(own))

    def _write(self, data: memoryview) -> None:
        while len(data):
            data = data[self._file.write(data) :]

    def _read(self, block: _Block, rows: IndexArray) -> PaperMatrix:
        # The file is mapped only while rows are copied, because mapped pages count as memory of the process.
        mapped = memoryview(
            mmap.mmap(self._file.fileno(), block.ends[-1], offset=block.offset, access=mmap.ACCESS_READ)
        )
        starts = (0, *(end + -end % _ALIGNMENT for end in block.ends))
        table, values = pickle.loads(  # noqa: S301 -- written by this process to a file without a name
            block.head, buffers=[mapped[start:end] for start, end in zip(starts, block.ends, strict=False)]
        )
        taken = {name: taken_rows(value, rows) for name, value in values.items()}
        found = table.take(pa.array(rows)).to_pydict()
        columns = paper_columns(found["paper_ids"], found["titles"], taken["units"], categories=found["categories"])
        return PaperMatrix(columns, **taken)


def _content(papers: PaperMatrix) -> tuple[pa.Table, dict[str, Any]]:
    """Return the columns that are kept, and the rows of each space by its name in ``PaperMatrix``."""
    kinds = {"paper_ids": pa.string(), "titles": pa.string(), "categories": pa.list_(pa.string())}
    table = pa.table({name: pa.array(getattr(papers.columns, name), kind) for name, kind in kinds.items()})
    values = {field.name: getattr(papers, field.name) for field in fields(papers)}
    return table, {name: value for name, value in values.items() if name not in {"columns", "spaces"}}
