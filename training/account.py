"""The account of a training run: everything that the report needs and the bundle does not."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ranker.types import IndexArray
from training.data.query_groups import Query
from training.data.rows import Rows
from training.data.snapshot import Dataset
from training.progress import Progress
from training.trees.fit import Fitted


@dataclass(frozen=True)
class DataUsed:
    """One data set as training used it.

    Attributes:
        learned_queries: Number of queries that the trees were grown on.
        held_out: Rows of the held-out users' queries, nothing masked.
        held_out_users: (queries,) user of each held-out query.
    """

    name: str
    fingerprint: str
    paper_count: int
    user_count: int
    like_count: int
    learned_queries: int
    held_out: Rows
    held_out_users: IndexArray

    @classmethod
    def of(cls, dataset: Dataset, learned_queries: int, held_out: Sequence[Query], rows: Rows) -> "DataUsed":
        """Count what was used; ``rows`` are the rows of the queries ``held_out``."""
        return cls(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            paper_count=len(dataset.papers),
            user_count=len(np.unique(dataset.likes.users)),
            like_count=len(dataset.likes.users),
            learned_queries=learned_queries,
            held_out=rows,
            held_out_users=np.array([query.user for query in held_out], dtype=np.intp),
        )


@dataclass(frozen=True)
class Account:
    """A whole training run.

    Attributes:
        learned_rows: Number of feature rows that the trees were grown on.
        seconds: Stage to seconds spent.
    """

    data: tuple[DataUsed, ...]
    fitted: Fitted
    learned_rows: int
    seconds: Mapping[str, float]


class Timed:
    """A progress callback that measures the time of each stage and calls another callback."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage, self._began = "", time.perf_counter()
        self._seconds: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Pass the call on and start the clock of the stage."""
        self._stop()
        self._stage = what
        self._progress(what, done, total)

    def seconds(self) -> dict[str, float]:
        """Return the seconds spent so far by stage."""
        self._stop()
        return {stage: round(spent, 1) for stage, spent in self._seconds.items()}

    def _stop(self) -> None:
        now = time.perf_counter()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._began
        self._began = now
