"""Every error that batch jobs raise on purpose.

    BatchError
    ├── UnknownDigest         there is no such digest
    ├── EmptyDigest           there is nothing to rank
    ├── ClusterUnavailable    no scheduler at the address, or none of its workers
    ├── InputUnusable         what is to be read is no whole export, damaged, or of other vectors
    ├── OutputUnusable        the folder to write to holds something else, or another run works on it
    ├── PartitionFailed       a part of the work cannot be done; what is done stays and need not be done again
    └── TreesNotGrown         the rows are there, but workers that grew trees on them were lost or lack memory

Each class takes facts and builds its own message. What workers raise stays in their processes: they answer with a
``Failure``, because most exceptions do not survive being pickled.
"""

from collections.abc import Sequence
from pathlib import Path

DIGESTS_TOLD = 3
"""To who asks for one that is not there."""


class BatchError(Exception):
    """Base of all errors raised on purpose."""


class UnknownDigest(BatchError):
    """No digest has the id; ``newest`` are ids of those that there are."""

    def __init__(self, digest_id: str, newest: Sequence[str]) -> None:
        known = f"the newest are {', '.join(newest)}" if newest else "there are none at all"
        super().__init__(f"no digest '{digest_id}'; {known}")


class EmptyDigest(BatchError):
    """A digest without papers, or whose papers are all gone."""

    def __init__(self, digest_id: str) -> None:
        super().__init__(f"digest '{digest_id}' has no papers: there is nothing to rank")


class ClusterUnavailable(BatchError):
    """Dask's scheduler does not answer, or has nobody to work."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"no Dask cluster at {address}: {problem}")


class InputUnusable(BatchError):
    """The folder, or one of its files, cannot be read from."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"{folder}: {problem}")
        self.problem = problem


class OutputUnusable(BatchError):
    """Nothing can be written to the folder."""

    def __init__(self, out: Path, problem: str) -> None:
        super().__init__(f"{out}: {problem}")


class PartitionFailed(BatchError):
    """One partition's work failed; ``done`` of ``total`` partitions are on the disk."""

    def __init__(self, problem: str, *, done: int, total: int) -> None:
        kept = f"{done} of {total} partitions are done and kept: the same command goes on from there"
        super().__init__(f"{problem} ({kept})")


class TreesNotGrown(BatchError):
    """The distributed fit came to nothing; the rows that it was to learn from are on the disk."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem} (the feature rows are kept: the same command goes on from there)")
