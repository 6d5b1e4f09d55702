"""The worker of a training: computes feature rows with the functions of ``training`` and writes them to a file."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from batch.errors import Failure
from batch.sessions import Sessions
from batch.train.rows_table import write_rows
from ranker.blas import use_one_thread
from ranker.errors import RankerError
from training.data.query_groups import Query
from training.data.rows import feature_rows
from training.data.snapshot import Dataset
from training.errors import TrainingError
from training.preparation import papers_of
from training.progress import silent
from training.recipes import Recipe
from training.spaces.learned_spaces import LearnedSpaces


@dataclass(frozen=True)
class RowsJob:
    """The data that every worker gets once.

    Attributes:
        folder: Folder of the row files; the coordinator and all workers must see the same folder there.
        name: Name of the training, kept in each file.
    """

    datasets: tuple[Dataset, ...]
    recipe: Recipe
    spaces: LearnedSpaces
    folder: str
    name: str

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
        self.by_dataset = papers_of(job.datasets, job.spaces)

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
    papers = _papers.of(job).by_dataset
    recipe = job.recipe if task.masked else None
    queries = [(papers[number], query) for number, query in task.queries]
    rows = feature_rows(queries, recipe, np.random.default_rng(task.stream), silent)
    weights = np.array([task.weights[number] for number, _ in task.queries], dtype=np.float32)
    write_rows(path, replace(rows, weights=np.repeat(weights, rows.group_sizes)), job.facts)
