"""Where users, likes and papers are read from: a service's database, or an export of one."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

from batch.database import DatabaseSource
from batch.export.source import ExportSource
from batch.population import Population
from service.app.ports import Vectors
from service.domain.events import UserState
from service.domain.papers import Paper

Users: TypeAlias = Sequence[tuple[str, UserState | None]]
"""Ids ascending, with what is known of each; None of a user whom the source does not know."""


class PaperSource(Protocol):
    """Stored papers by id."""

    def find_many(self, paper_ids: Sequence[str]) -> Mapping[str, Paper]:
        """Papers by id; unknown ids are left out."""

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> Mapping[str, Vectors]:
        """Vectors by id; papers without one are left out."""


class Source(Protocol):
    """Safe to use from many threads."""

    def candidates(self, digest_id: str, encoder: str) -> tuple[pa.Table, int]:
        """The digest's papers as a ``paper_table``, in its order, and its version; 0 where versions are not known.

        Raises:
            UnknownDigest: No such digest.
        """

    def counts(self, population: Population) -> Iterator[tuple[str, int]]:
        """(user id, number of events) of the population, ascending; 0 for users that are not known."""

    def users(self, after: str, until: str, user_ids: Sequence[str] | None) -> Iterator[tuple[PaperSource, Users]]:
        """Users in (after, until], or those named, some hundreds at a time, with where to read their papers."""

    def close(self) -> None:
        """Nothing is read any more."""


def open_source(location: str) -> Source:
    """The database at a URL, or the export in a folder."""
    return DatabaseSource(location) if "://" in location else ExportSource(Path(location))
