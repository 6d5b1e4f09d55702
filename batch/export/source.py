"""An export as the source of a re-rank: the files of ``paperfeed export``, read by row groups."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from batch.chunks import pages
from batch.errors import NEWEST_DIGESTS, InputUnusable, UnknownDigest
from batch.export import paper_table, profile_table
from batch.export.profile_table import USERS_AT_A_TIME
from batch.export.sorted_rows import SortedRows
from batch.parquet import opened, part_files
from service.app.ports import Vectors
from service.domain.events import UserState
from service.domain.papers import Paper

MANIFEST_NAME = "_manifest.json"
PENDING_NAME = "_forget.json"
"""File that an export has while a user's rows are removed from it."""
PAPERS, DIGESTS, PROFILES, EVENTS = "papers", "digests", "profiles", "events"
_READ = (PAPERS, DIGESTS, PROFILES)
_NO_EXPORT = "is not an export: make one with 'paperfeed export'"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an export.

    Raises:
        InputUnusable: The folder holds no complete export.
    """
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        texts, counts = [found[name] for name in ("encoder", "made_at")], [found["row_counts"][name] for name in _READ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputUnusable(folder, _NO_EXPORT) from error
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(count, int) for count in counts):
        raise InputUnusable(folder / MANIFEST_NAME, _NO_EXPORT)
    if (folder / PENDING_NAME).exists():
        raise InputUnusable(folder, "a user is being removed from it; if that was interrupted, repeat 'users forget'")
    return found


class ExportSource:
    """See ``batch.rerank.source.Source``; also the ``PaperSource`` of its users.

    Raises:
        InputUnusable: The folder holds no complete export. The methods raise it for a damaged or missing file.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        for name in _READ:
            check_count(folder / name, manifest["row_counts"][name])
        self._encoder = manifest["encoder"]
        self._folder = folder
        self._papers = SortedRows(folder / PAPERS, "paper_id")
        self._profiles = SortedRows(folder / PROFILES, "user_id")

    def candidates(self, digest_id: str, encoder: str) -> tuple[pa.Table, int]:
        """See ``Source.candidates``."""
        digests = {row["digest_id"]: row["paper_ids"] for row in _rows_of(self._folder / DIGESTS)}
        wanted = digests.get(digest_id)
        if wanted is None:
            raise UnknownDigest(digest_id, list(digests)[:NEWEST_DIGESTS])
        self._check(encoder)
        table = pa.concat_tables([paper_table.SCHEMA.empty_table(), *self._papers.named(wanted)])
        rows = pc.index_in(pa.array(wanted, pa.string()), table.column("paper_id").combine_chunks())
        return table.take(rows.drop_null()), 0

    def counts(self, user_ids: Sequence[str] | None) -> Iterator[tuple[str, int]]:
        """See ``Source.counts``; likes and dislikes are counted as events."""
        columns = ["user_id", "likes", "dislikes"]
        if user_ids is None:
            for table in self._profiles.between("", columns=columns):
                yield from _sizes(table)
            return
        known = dict(pair for table in self._profiles.named(user_ids, columns) for pair in _sizes(table))
        yield from ((user_id, known.get(user_id, 0)) for user_id in user_ids)

    def users(
        self, after: str, until: str, user_ids: Sequence[str] | None
    ) -> Iterator[tuple["ExportSource", list[tuple[str, UserState | None]]]]:
        """See ``Source.users``."""
        if user_ids is not None:
            for page in pages(user_ids, USERS_AT_A_TIME):
                tables = self._profiles.named(page)
                known = {state.user_id: state for table in tables for state in profile_table.states_of(table)}
                yield self, [(user_id, known.get(user_id)) for user_id in page]
            return
        for table in self._profiles.between(after, until):
            for start in range(0, table.num_rows, USERS_AT_A_TIME):
                states = profile_table.states_of(table.slice(start, USERS_AT_A_TIME))
                yield self, [(state.user_id, state) for state in states]

    def find_many(self, paper_ids: Sequence[str]) -> Mapping[str, Paper]:
        """See ``PaperSource.find_many``."""
        tables = self._papers.named(paper_ids, paper_table.PAPER_COLUMNS)
        return {paper.paper_id: paper for table in tables for paper in paper_table.papers_of(table)}

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> Mapping[str, Vectors]:
        """See ``PaperSource.vectors``."""
        self._check(encoder)
        found: dict[str, Vectors] = {}
        for table in self._papers.named(paper_ids, ["paper_id", "embedding"]):
            found |= paper_table.vectors_of(table)
        return found

    def close(self) -> None:
        """See ``Source.close``; no file stays open between two calls."""

    def _check(self, encoder: str) -> None:
        if encoder != self._encoder:
            raise InputUnusable(self._folder, f"holds vectors of {self._encoder}, not of {encoder}")


def check_count(folder: Path, wanted: int) -> None:
    """Raise InputUnusable unless the table's files have as many rows as the manifest says."""
    found = 0
    for path in part_files(folder):
        with opened(path) as file:
            found += file.metadata.num_rows
    if found != wanted:
        problem = f"has {found} rows, and had {wanted} when it was exported: files are missing or were added"
        raise InputUnusable(folder, problem)


def _rows_of(folder: Path) -> Iterator[dict[str, Any]]:
    for path in part_files(folder):
        with opened(path) as file:
            yield from file.read().to_pylist()


def _sizes(table: pa.Table) -> Iterator[tuple[str, int]]:
    sizes = pc.add(pc.list_value_length(table.column("likes")), pc.list_value_length(table.column("dislikes")))
    return zip(table.column("user_id").to_pylist(), sizes.to_pylist(), strict=True)
