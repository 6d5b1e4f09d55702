"""The interface to users, likes and papers: a service's database, or an export of one."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

from batch.export.source import ExportSource
from batch.rerank.database import DatabaseSource
from service.app.ports import Vectors
from service.domain.events import UserState
from service.domain.papers import Paper

Users: TypeAlias = Sequence[tuple[str, UserState | None]]
"""User ids, ascending, with the state of each; None for a user whom the source does not know."""


class PaperSource(Protocol):
    """Stored papers by id."""

    def find_many(self, paper_ids: Sequence[str]) -> Mapping[str, Paper]:
        """Return papers by id; unknown ids are left out."""

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> Mapping[str, Vectors]:
        """Return vectors by id; papers without one are left out."""


class Source(Protocol):
    """A database or an export; safe to use from many threads."""

    def candidates(self, digest_id: str, encoder: str) -> tuple[pa.Table, int]:
        """Return the digest's papers as a ``paper_table``, in its order, and its version.

        Papers that were deleted are left out. An export knows no versions: it returns 0.

        Raises:
            UnknownDigest: No digest has the id.
        """

    def counts(self, user_ids: Sequence[str] | None) -> Iterator[tuple[str, int]]:
        """Yield (user id, number of events), ascending: for the users listed, with 0 for unknown ones, or for all."""

    def users(self, after: str, until: str, user_ids: Sequence[str] | None) -> Iterator[tuple[PaperSource, Users]]:
        """Yield some hundred users at a time, and the source of their papers.

        Args:
            after, until: All users with ids in (after, until] are read if ``user_ids`` is None.
            user_ids: The users to read, ascending.
        """

    def close(self) -> None:
        """Release files and connections."""


def open_source(location: str) -> Source:
    """Open the database at a URL, or the export in a folder."""
    return DatabaseSource(location) if "://" in location else ExportSource(Path(location))
