"""Whose slates are asked for, cut into partitions of about equal work: what is handed out, and done again, as one."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch.parquet import part_name
from service.app.ports import Store
from service.domain.errors import InvalidField, PaperfeedError
from service.domain.papers import check_id

EVENT_BYTES = 5_000
"""What one liked paper takes in the ranker's spaces; other events take less."""
USER_BYTES = 20_000
"""What a user takes without any event, the finished slate included."""
PARTITION_BYTES = 256 * 2**20
"""Work of a few seconds, and a file of a few megabytes."""
USERS_AT_A_TIME = 500


@dataclass(frozen=True)
class Partition:
    """Users with ids in (after, until], by code points.

    Attributes:
        number: From 0, in the order of the ids.
        user_count: When the population was cut; users may come and go until the work is done.
    """

    number: int
    after: str
    until: str
    user_count: int

    @property
    def file_name(self) -> str:
        """Files in the order of their names hold users in the order of their ids."""
        return part_name(self.number)


@dataclass(frozen=True)
class Population:
    """All known users, or those of a list.

    Attributes:
        user_ids: Ascending, each once; None means all that the source knows.
    """

    user_ids: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Equal for equal populations: ``all``, or a hash of the list."""
        if self.user_ids is None:
            return "all"
        return hashlib.sha256("\n".join(self.user_ids).encode()).hexdigest()

    def ids_in(self, partition: Partition) -> tuple[str, ...] | None:
        """Those of the list that are in the partition; None where there is no list."""
        if self.user_ids is None:
            return None
        start, stop = (bisect_right(self.user_ids, bound) for bound in (partition.after, partition.until))
        return self.user_ids[start:stop]


def read_population(users: str) -> Population:
    """``all``, or the users that a file names, one on a line.

    Raises:
        InvalidField: The file cannot be read or names no user, or a line is no user id.
    """
    if users == "all":
        return Population()
    try:
        # Editors of Windows begin a file with a mark of its encoding.
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


def partitions_of(counts: Iterator[tuple[str, int]], partition_bytes: int = PARTITION_BYTES) -> list[Partition]:
    """Cuts users into partitions of so many bytes; who is larger by himself gets one of his own.

    Args:
        counts: (user id, number of events), ascending.
    """
    found: list[Partition] = []
    after, last, size, users = "", "", 0, 0
    for user_id, event_count in counts:
        own = USER_BYTES + EVENT_BYTES * event_count
        if users and size + own > partition_bytes:
            found.append(Partition(len(found), after, last, users))
            after, size, users = last, 0, 0
        last, size, users = user_id, size + own, users + 1
    if users:
        found.append(Partition(len(found), after, last, users))
    return found


def stored_counts(store: Store, population: Population) -> Iterator[tuple[str, int]]:
    """(user id, number of events) of the population, ascending; 0 for users that the store does not know."""
    for user_ids in pages_of_ids(store, population.user_ids):
        with store.read() as tx:
            counts = tx.users.event_counts(user_ids)
        yield from ((user_id, counts.get(user_id, 0)) for user_id in user_ids)


def pages_of_ids(
    store: Store, user_ids: Sequence[str] | None, after: str = "", until: str | None = None
) -> Iterator[Sequence[str]]:
    """The users of the list, or all known users in (after, until], ascending, some hundreds at a time."""
    if user_ids is not None:
        yield from (user_ids[start : start + USERS_AT_A_TIME] for start in range(0, len(user_ids), USERS_AT_A_TIME))
        return
    while True:
        with store.read() as tx:
            page = tx.users.page_ids(after=after, limit=USERS_AT_A_TIME)
        found = page if until is None else page[: bisect_right(page, until)]
        if found:
            yield found
        if len(found) < USERS_AT_A_TIME:
            return
        after = found[-1]
