"""The worker of a training: computes feature rows with the functions of ``training`` and writes them to a file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from batch.errors import Failure
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
    """The data that every worker gets once.

    Attributes:
        folds: The spaces of each fold, as a bundle keeps them; see ``LearnedSpaces``.
        foreign: For each data set, the spaces learned from the others, as a bundle keeps them.
        folder: Folder of the row files; the coordinator and all workers must see the same folder there.
        name: Name of the training, kept in each file.
    """

    datasets: tuple[Dataset, ...]
    recipe: Recipe
    folds: Mapping[int, bytes]
    foreign: tuple[bytes | None, ...]
    folder: str
    name: str

    @classmethod
    def of(cls, prepared: Prepared, folder: Path, name: str) -> "RowsJob":
        """Return the job of a prepared training; its tasks have the queries."""
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
        """Return the same matrices as ``Prepared.matrices``.

        They are equal because training rounds its spaces to the precision of a bundle before it uses them.
        """
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
        """Metadata by which a file names its training."""
        return {"paperfeed.training": self.name}


@dataclass(frozen=True)
class RowsTask:
    """The rows of one file.

    Attributes:
        queries: Number of the data set and query, for each query.
        masked: Whether parts of the input are masked, as the recipe says.
        weights: Weight of one query, for each data set.
        stream: Seed of the random stream; no two tasks of a training share it.
    """

    file_name: str
    queries: tuple[tuple[int, Query], ...]
    masked: bool
    weights: tuple[float, ...]
    stream: tuple[int, ...]


class _Papers:
    """The papers of one training, placed once in each worker."""

    def __init__(self, job: RowsJob) -> None:
        use_one_thread()
        self.matrices = job.matrices()

    def close(self) -> None:
        """Nothing to release: the memory goes with the object."""


_papers = Sessions(_Papers)


def make_rows(job: RowsJob, task: RowsTask) -> str | Failure:
    """Compute the rows of a file and write it, complete or not at all; return the file's name."""
    path = Path(job.folder, task.file_name)
    try:
        _make_rows(job, task, path)
    except (TrainingError, RankerError) as error:
        return Failure(str(error))
    except OSError as error:
        return Failure(f"{path}: {error.strerror or error}")
    return task.file_name


def _make_rows(job: RowsJob, task: RowsTask, path: Path) -> None:
    matrices = _papers.of(job).matrices
    recipe = job.recipe if task.masked else None
    queries = [(matrices[number], query) for number, query in task.queries]
    rows = feature_rows(queries, recipe, np.random.default_rng(task.stream), silent)
    weights = np.array([task.weights[number] for number, _ in task.queries], dtype=np.float32)
    write_rows(path, replace(rows, weights=np.repeat(weights, rows.group_sizes)), job.facts)
