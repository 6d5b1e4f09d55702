"""Every error that batch jobs raise on purpose, and the failure that a worker returns.

    BatchError
    ├── UnknownDigest         no digest has the id
    ├── EmptyDigest           the digest has no papers to rank
    ├── ClusterUnavailable    no scheduler answers at the address, or it has no workers
    ├── InputUnusable         an export is incomplete, damaged, or holds another encoder's vectors
    ├── OutputUnusable        the output folder holds something else, or another run works on it
    ├── PartitionFailed       a part of the work failed; the finished parts are kept
    └── TreesNotGrown         workers that grew trees were lost or lack memory; the feature rows are kept

Each class takes facts and builds its own message. Workers return a ``Failure`` instead of raising, because most
exceptions cannot be pickled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NEWEST_DIGESTS = 3
"""Number of digest ids that an error about an unknown digest names."""


@dataclass(frozen=True)
class Failure:
    """A task that failed in a worker, and the problem in words for people."""

    problem: str


class BatchError(Exception):
    """Base of all errors that batch jobs raise on purpose."""


class UnknownDigest(BatchError):
    """No digest has the id; ``newest`` holds ids of digests that exist."""

    def __init__(self, digest_id: str, newest: Sequence[str]) -> None:
        known = f"the newest are {', '.join(newest)}" if newest else "there are none at all"
        super().__init__(f"no digest '{digest_id}'; {known}")


class EmptyDigest(BatchError):
    """The digest has no papers, or all of its papers were deleted."""

    def __init__(self, digest_id: str) -> None:
        super().__init__(f"digest '{digest_id}' has no papers: there is nothing to rank")


class ClusterUnavailable(BatchError):
    """The Dask scheduler does not answer, or it has no workers."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"no Dask cluster at {address}: {problem}")


class InputUnusable(BatchError):
    """A folder or file of an export cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem


class OutputUnusable(BatchError):
    """Nothing can be written to the output folder."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class PartitionFailed(BatchError):
    """One partition failed; ``done`` of ``total`` partitions are finished and kept."""

    def __init__(self, problem: str, *, done: int, total: int) -> None:
        kept = f"{done} of {total} partitions are done and kept: run the same command again to resume"
        super().__init__(f"{problem} ({kept})")


class TreesNotGrown(BatchError):
    """The distributed fit failed; the feature rows are on the disk."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem} (the feature rows are kept: run the same command again to resume)")
