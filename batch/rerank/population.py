"""The users of a re-rank, cut into partitions of about equal work."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from batch.chunks import chunks
from batch.parquet import part_name
from service.domain.errors import InvalidField, PaperfeedError
from service.domain.papers import check_id

EVENT_BYTES = 5_000
"""Memory of one liked paper in the ranker's spaces; other events take less."""
USER_BYTES = 20_000
"""Memory of a user without events, including the finished slate."""
PARTITION_BYTES = 256 * 2**20
"""Work of a few seconds, and a file of a few megabytes."""


@dataclass(frozen=True)
class Partition:
    """The users with ids in (after, until], by code points.

    Attributes:
        number: From 0, in the order of the ids.
        user_count: Number of users when the population was cut; it may change until they are ranked.
    """

    number: int
    after: str
    until: str
    user_count: int

    @property
    def file_name(self) -> str:
        """Name of the partition's file; files in the order of their names hold users in the order of their ids."""
        return part_name(self.number)


@dataclass(frozen=True)
class Population:
    """All known users, or the users of a list.

    Attributes:
        user_ids: Ascending and unique; None means all users that the source knows.
    """

    user_ids: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """``all``, or a hash of the list; equal for equal populations."""
        if self.user_ids is None:
            return "all"
        return hashlib.sha256("\n".join(self.user_ids).encode()).hexdigest()

    def ids_in(self, partition: Partition) -> tuple[str, ...] | None:
        """Return the listed users that are in the partition; None if there is no list."""
        if self.user_ids is None:
            return None
        start, stop = (bisect_right(self.user_ids, bound) for bound in (partition.after, partition.until))
        return self.user_ids[start:stop]


def read_population(users: str) -> Population:
    """Return the population ``all``, or the users in a file that names one on each line.

    Raises:
        InvalidField: The file cannot be read or names no user, or a line is no user id.
    """
    if users == "all":
        return Population()
    try:
        # Editors on Windows begin a file with a byte order mark.
        lines = Path(users).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise InvalidField("users", f"{users}: {problem}") from error
    found = set()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.add(check_id(line.strip(), f"line {number}"))
            except PaperfeedError as error:
                raise InvalidField("users", f"{users}: {error.message}") from error
    if not found:
        raise InvalidField("users", f"{users} names no user")
    return Population(tuple(sorted(found)))


def partitions_of(counts: Iterable[tuple[str, int]], partition_bytes: int = PARTITION_BYTES) -> list[Partition]:
    """Cut users into partitions of at most ``partition_bytes``; a larger user gets a partition alone.

    Args:
        counts: (user id, number of events), ascending.
    """
    found: list[Partition] = []
    for users in chunks(counts, lambda each: USER_BYTES + EVENT_BYTES * each[1], partition_bytes):
        after = found[-1].until if found else ""
        found.append(Partition(len(found), after, users[-1][0], len(users)))
    return found
