"""One partition of training rows, made in a worker by the functions of ``training`` and written there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from batch.sessions import Sessions
from batch.train.rows_table import write_rows
from ranker.blas import use_one_thread
from ranker.bundle.spaces_file import read_spaces, spaces_bytes
from ranker.errors import RankerError
from ranker.spaces.spaces import Spaces
from training.data.query_groups import Query
from training.data.rows import DatasetMatrices, feature_rows
from training.data.snapshot import Dataset
from training.errors import TrainingError
from training.preparation import Prepared
from training.progress import silent
from training.recipes import Recipe


@dataclass(frozen=True)
class RowsJob:
    """What every worker is given once.

    Attributes:
        folds: The spaces of each fold, and
        foreign: those of the other data sets for each data set, as a bundle keeps them; see ``LearnedSpaces``.
        folder: Where files are written to; all workers and the one who asks see the same folder there.
        name: Of the training, kept in each file.
    """

    datasets: tuple[Dataset, ...]
    recipe: Recipe
    folds: Mapping[int, bytes]
    foreign: tuple[bytes | None, ...]
    folder: str
    name: str

    @classmethod
    def of(cls, prepared: Prepared, folder: Path, name: str) -> "RowsJob":
        """The job; queries come with its tasks."""
        spaces = prepared.spaces
        return cls(
            prepared.datasets,
            prepared.recipe,
            {fold: spaces_bytes(found) for fold, found in spaces.folds.items()},
            tuple(None if found is None else spaces_bytes(found) for found in spaces.foreign),
            str(folder),
            name,
        )

    def matrices(self) -> list[DatasetMatrices]:
        """As ``Prepared.matrices``: training rounds its spaces to what a bundle keeps before it uses them."""
        dim = self.datasets[0].papers.embeddings.shape[1]

        def spaces(data: bytes) -> Spaces:
            return read_spaces(Path(self.folder), data, dim)

        folds = {fold: spaces(data) for fold, data in self.folds.items()}
        return [
            DatasetMatrices(dataset, folds, None if foreign is None else spaces(foreign))
            for dataset, foreign in zip(self.datasets, self.foreign, strict=True)
        ]

    @property
    def facts(self) -> dict[str, str]:
        """By which a file tells whose it is."""
        return {"paperfeed.training": self.name}


@dataclass(frozen=True)
class RowsTask:
    """One file's rows.

    Attributes:
        queries: Number of a data set, and one of its queries.
        masked: Whether parts of what is known are hidden, as the recipe says.
        weights: For each data set what one of its queries weighs.
        stream: Numbers of the random stream; no two tasks of a training share them.
    """

    file_name: str
    queries: tuple[tuple[int, Query], ...]
    masked: bool
    weights: tuple[float, ...]
    stream: tuple[int, ...]


@dataclass(frozen=True)
class RowsDone:
    """A file that is on the disk, or why it is not."""

    task_name: str
    problem: str = ""


class _Papers:
    """A training's papers, placed once in each worker."""

    def __init__(self, job: RowsJob) -> None:
        use_one_thread()
        self.matrices = job.matrices()

    def close(self) -> None:
        """Their memory goes with them."""


_papers = Sessions(_Papers)


def make_rows(job: RowsJob, task: RowsTask) -> RowsDone:
    """Computes and writes a file; it is there whole, or not at all."""
    path = Path(job.folder, task.file_name)
    try:
        _make_rows(job, task, path)
    except (TrainingError, RankerError) as error:
        return RowsDone(task.file_name, str(error))
    except OSError as error:
        return RowsDone(task.file_name, f"{path}: {error.strerror or error}")
    return RowsDone(task.file_name)


def _make_rows(job: RowsJob, task: RowsTask, path: Path) -> None:
    matrices = _papers.of(job).matrices
    recipe = job.recipe if task.masked else None
    queries = [(matrices[number], query) for number, query in task.queries]
    rows = feature_rows(queries, recipe, np.random.default_rng(task.stream), silent)
    weights = np.array([task.weights[number] for number, _ in task.queries], dtype=np.float32)
    write_rows(path, replace(rows, weights=np.repeat(weights, rows.group_sizes)), job.facts)
