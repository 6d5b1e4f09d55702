"""Training on a cluster: rows are made by all workers and kept as files, trees are grown by all workers together.

Everything else is what ``training.train`` does: the same spaces, queries, readers held out, figures and files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batch.cluster import Cluster
from batch.errors import PartitionFailed
from batch.parquet import remove_leftovers
from batch.train.plan import PART_ROWS, Cut, claim, cut_rows, identity_of, name_of
from batch.train.rows_table import RowCounts, counts_of, read_rows
from batch.train.tree_growing import grow_trees
from batch.train.worker import RowsDone, RowsJob, RowsTask, make_rows
from batch.workspace import discard, opened_workspace
from training.account import Timed
from training.data.rows import Rows, joined_rows
from training.data.snapshot import Dataset
from training.preparation import Prepared, prepare
from training.progress import Progress, silent
from training.recipes import Recipe, find_recipe
from training.train import Made, TrainingReport, publish
from training.trees.experts import are_two, join_experts, side_of
from training.trees.fit import Fitted
from training.trees.stopping import cut_at_best


def train(
    cluster: Cluster,
    datasets: Sequence[Dataset],
    out: Path,
    *,
    encoder_name: str,
    recipe: str | Recipe = "default",
    seed: int = 0,
    progress: Progress = silent,
    part_rows: int = PART_ROWS,
) -> TrainingReport:
    """Trains on the data sets and publishes the bundle to the folder ``out``; rows that are there are not made again.

    Which trees come out also depends on the number of workers, by the last bits of sums.

    Args:
        part_rows: Rows of each file of rows, about.

    Raises:
        TrainingError: No recipe of that name, or nothing to learn from.
        OutputUnusable: Another run works there, or the rows of another training lie there.
        PartitionFailed: Rows could not be made or written.
        TreesNotGrown: Workers were lost, lack memory or cannot reach one another.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    timed = Timed(progress)
    with opened_workspace(out) as workspace:
        remove_leftovers(workspace.folder)
        prepared = prepare(datasets, recipe, seed, np.random.default_rng(seed), timed)
        identity = identity_of(prepared, encoder_name, part_rows)
        claim(workspace.folder, identity)
        job = RowsJob.of(prepared, workspace.folder, name_of(identity))
        cut = cut_rows(prepared, part_rows)
        counts = _made(cluster, job, cut.tasks, timed)
        rows = _RowFiles(workspace.folder, cut, counts)
        learned = RowCounts.total([counts for _, counts in rows.learn])
        fitted = _grown(cluster, rows, learned, prepared, timed)
        made = Made(fitted, learned.rows(abstracts=None), cut.held_out, rows.judged())
        report = publish(
            out,
            prepared,
            made,
            encoder_name=encoder_name,
            timed=timed,
            params={"worker_count": cluster.worker_count},
        )
        discard(workspace)
    return report


@dataclass(frozen=True)
class _RowFiles:
    """The files of a training, all of which are there."""

    folder: Path
    cut: Cut
    counts: Mapping[str, RowCounts]

    @property
    def learn(self) -> list[tuple[Path, RowCounts]]:
        """What the trees are grown on."""
        return [(self.folder / task.file_name, self.counts[task.file_name]) for task in self.cut.learn]

    def stop(self) -> Rows:
        """What they are cut at, of all data sets."""
        return self._read([task for part in self.cut.stop for task in part])

    def judged(self) -> list[Rows]:
        """For each data set what the model is judged on."""
        return [self._read(part) for part in self.cut.judge]

    def _read(self, tasks: Sequence[RowsTask]) -> Rows:
        return joined_rows([read_rows(self.folder / task.file_name) for task in tasks])


def _made(cluster: Cluster, job: RowsJob, tasks: Sequence[RowsTask], progress: Progress) -> dict[str, RowCounts]:
    """Sees to it that all files are there; the counts of each by its name."""
    folder, total = Path(job.folder), sum(len(task.queries) for task in tasks)
    sizes = {task.file_name: len(task.queries) for task in tasks}
    found = {name: counts for name in sizes if (counts := counts_of(folder / name, job.facts)) is not None}
    progress("features", sum(sizes[name] for name in found), total)
    problems: list[str] = []

    def take(done: RowsDone) -> bool:
        counts = None if done.problem else counts_of(folder / done.task_name, job.facts)
        if counts is None:
            problems.append(done.problem or f"{folder} is not the same folder to the workers as it is here")
        else:
            found[done.task_name] = counts
            progress("features", sum(sizes[name] for name in found), total)
        return not problems

    left = [task for task in tasks if task.file_name not in found]
    if left:
        cluster.each(f"paperfeed-train-{job.folder}", make_rows, job, left, take)
    if problems:
        raise PartitionFailed(problems[0], done=len(found), total=len(tasks))
    return found


def _grown(cluster: Cluster, rows: _RowFiles, learned: RowCounts, prepared: Prepared, progress: Progress) -> Fitted:
    """The model, as ``training.trees.experts`` makes it of one or two rankers."""
    recipe, stop = prepared.recipe, rows.stop()
    sides = [side_of(stop, abstracts=abstracts) for abstracts in (False, True)]

    def ranker(abstracts: bool | None, held_out: Rows) -> Fitted:  # noqa: FBT001
        text = grow_trees(cluster, rows.learn, recipe, prepared.seed, progress, abstracts=abstracts)
        return cut_at_best(text, held_out)

    if not are_two([learned.queries(abstracts=each) for each in (False, True)], sides, recipe):
        return ranker(None, stop)
    return join_experts([ranker(bool(number), side) for number, side in enumerate(sides)], sides)
