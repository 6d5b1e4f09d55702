"""What a training run was made of and how it went: everything that a report needs and the bundle does not."""

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
    """One data set as training saw it.

    Attributes:
        learned_queries: Queries that the trees were grown on.
        held_out: Rows of the held-out readers' queries, nothing masked.
        held_out_users: (queries,) reader of each of those.
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
        """Counts what was used; ``rows`` are those of ``held_out``."""
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
    """A run as a whole.

    Attributes:
        learned_rows: Feature rows that the trees were grown on.
        seconds: Time spent, by stage.
    """

    data: tuple[DataUsed, ...]
    fitted: Fitted
    learned_rows: int
    seconds: Mapping[str, float]


class Timed:
    """A progress that also counts how long each stage takes; it passes on what it hears."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage, self._began = "", time.perf_counter()
        self._seconds: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """As ``Progress``."""
        self._stop()
        self._stage = what
        self._progress(what, done, total)

    def seconds(self) -> dict[str, float]:
        """Stage to seconds so far."""
        self._stop()
        return {stage: round(spent, 1) for stage, spent in self._seconds.items()}

    def _stop(self) -> None:
        now = time.perf_counter()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._began
        self._began = now
