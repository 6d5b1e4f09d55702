"""Placed papers in a file on a worker's disk: reading a paper takes a tenth of the time of placing it."""

import io
import mmap
import os
import pickle
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ranker.features import Similarities
from ranker.papers import paper_columns
from ranker.spaces.spaces import PaperMatrix, Spaces, stack_matrices, taken_rows
from ranker.types import IndexArray
from service.domain.papers import Paper

MOST_BYTES = 4 * 2**30
"""Maximum size of the file, some 300,000 papers: a job must not fill the disk that it writes to."""
_ALIGNMENT = 64


class Placed(NamedTuple):
    """Papers placed in a bundle's spaces.

    Attributes:
        papers: Papers with id, title and categories only.
        matrix: One row for each paper, with everything that a user's profile needs.
        known: Output of ``paper_similarities``, one row for each paper; None if it is not kept.
    """

    papers: tuple[Paper, ...]
    matrix: PaperMatrix
    known: Similarities | None

    def take(self, rows: Sequence[int]) -> "Placed":
        """Return the papers at ``rows``, in that order."""
        known = None if self.known is None else _rows_of(self.known, np.array(rows))
        return Placed(tuple(self.papers[row] for row in rows), self.matrix.take(rows), known)


def stack_placed(parts: Sequence[Placed]) -> Placed:
    """Return all papers of all parts; there must be at least one part."""
    known = [part.known for part in parts if part.known is not None]
    return Placed(
        tuple(paper for part in parts for paper in part.papers),
        stack_matrices([part.matrix for part in parts]),
        {name: np.concatenate([part[name] for part in known]) for name in known[0]} if known else None,
    )


def _rows_of(values: Mapping[str, Any], rows: IndexArray) -> dict[str, Any]:
    """Return the given rows of each value."""
    return {name: taken_rows(value, rows) for name, value in values.items()}


@dataclass(frozen=True)
class _Block:
    """Papers that were put together: a pickle without its arrays, and the place of each array in the file."""

    head: bytes
    offset: int
    ends: tuple[int, ...]


class Shelf:
    """Placed papers in a file without a name, which the system removes when the process ends. For one thread.

    Args:
        spaces: Spaces in which the papers are placed; None without a bundle.
        folder: Folder of the file.
        most_bytes: Maximum size of the file; papers that would make it larger are not kept.
    """

    def __init__(self, spaces: Spaces | None, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._background = spaces.background if spaces else None
        self._co_likes = spaces.co_likes if spaces else None
        self._blocks: list[_Block] = []
        self._places: dict[str, tuple[int, int]] = {}

    def __contains__(self, paper_id: str) -> bool:
        return paper_id in self._places

    @cached_property
    def _file(self) -> io.FileIO:
        file: io.FileIO = tempfile.TemporaryFile(buffering=0, prefix=".liked-", dir=self._folder)  # noqa: SIM115
        weakref.finalize(self, file.close)
        return file

    def put(self, placed: Placed) -> None:
        """Add papers that are not on the shelf yet; add none of them if they do not fit.

        Raises:
            OSError: The disk is full; nothing was added.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(_content(placed), protocol=5, buffer_callback=buffers.append)
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
        self._places |= {paper.paper_id: (number, row) for row, paper in enumerate(placed.papers)}

    def take(self, paper_ids: Iterable[str]) -> Iterator[Placed]:
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

    def _read(self, block: _Block, rows: IndexArray) -> Placed:
        # The file is mapped only while rows are copied, because mapped pages count as memory of the process.
        mapped = memoryview(
            mmap.mmap(self._file.fileno(), block.ends[-1], offset=block.offset, access=mmap.ACCESS_READ)
        )
        starts = (0, *(end + -end % _ALIGNMENT for end in block.ends))
        table, values, known = pickle.loads(  # noqa: S301 -- written by this process to a file without a name
            block.head, buffers=[mapped[start:end] for start, end in zip(starts, block.ends, strict=False)]
        )
        papers = tuple(
            Paper(paper_id=row["paper_id"], title=row["title"], categories=tuple(row["categories"]))
            for row in table.take(pa.array(rows)).to_pylist()
        )
        taken = _rows_of(values, rows)
        columns = paper_columns(
            [paper.paper_id for paper in papers],
            [paper.title for paper in papers],
            taken["units"],
            categories=[paper.categories for paper in papers],
        )
        matrix = PaperMatrix.of_row_values(columns, taken, self._background, self._co_likes)
        return Placed(papers, matrix, None if known is None else _rows_of(known, rows))


def _content(placed: Placed) -> tuple[pa.Table, dict[str, Any], Similarities | None]:
    rows = [(paper.paper_id, paper.title, paper.categories) for paper in placed.papers]
    columns = map(pa.array, zip(*rows, strict=True), (pa.string(), pa.string(), pa.list_(pa.string())))
    return pa.table(list(columns), ["paper_id", "title", "categories"]), placed.matrix.row_values(), placed.known
