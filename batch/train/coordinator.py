"""The coordinator of training on a cluster: workers write feature rows to files, then grow the trees together.

Everything else equals ``training.train``: the spaces, queries, held-out users, report and bundle files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batch.cluster import Cluster
from batch.parquet import remove_leftovers
from batch.train.plan import PART_ROWS, Cut, claim, cut_rows, identity_of, name_of
from batch.train.rows_table import RowCounts, counts_of, read_rows
from batch.train.tree_growing import grow_trees
from batch.train.worker import RowsJob, RowsTask, make_rows
from batch.workspace import opened_workspace, other_folder
from training.account import Timed
from training.data.rows import Rows, joined_rows
from training.data.snapshot import Dataset
from training.preparation import prepare
from training.progress import Progress, silent
from training.recipes import Recipe, find_recipe
from training.train import Made, TrainingReport, publish
from training.trees.fit import base_of
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
    """Train on the data sets and write the bundle to the folder ``out``; a resumed run reuses finished row files.

    The trees also depend on the number of workers, because sums differ in their last bits.

    Args:
        part_rows: Approximate number of rows of each row file.

    Raises:
        TrainingError: The recipe does not exist, or there is too little to learn from.
        OutputUnusable: Another run works in the folder, or it holds the rows of another training.
        PartitionFailed: Rows could not be made or written; finished files are kept.
        TreesNotGrown: Workers were lost, lack memory or cannot reach one another; the row files are kept.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    timed = Timed(progress)
    with opened_workspace(out) as workspace:
        remove_leftovers(workspace.folder)
        prepared = prepare(datasets, recipe, seed, np.random.default_rng(seed), timed)
        identity = identity_of(prepared, encoder_name, part_rows)
        claim(workspace.folder, identity)
        job = RowsJob(prepared.datasets, recipe, prepared.spaces, str(workspace.folder), name_of(identity))
        cut = cut_rows(prepared, part_rows)
        counts = _make_rows(cluster, job, cut.tasks, timed)
        rows = _RowFiles(workspace.folder, cut, counts)
        text = grow_trees(cluster, rows.learn, recipe, seed, timed)
        fitted = cut_at_best(text, base_of(recipe), rows.stop())
        learned = RowCounts.total([counts for _, counts in rows.learn])
        made = Made(fitted, learned.rows, cut.held_out, rows.judged())
        report = publish(
            out,
            prepared,
            made,
            encoder_name=encoder_name,
            timed=timed,
            params={"worker_count": cluster.worker_count},
        )
        workspace.discard()
    return report


@dataclass(frozen=True)
class _RowFiles:
    """All row files of a training."""

    folder: Path
    cut: Cut
    counts: Mapping[str, RowCounts]

    @property
    def learn(self) -> list[tuple[Path, RowCounts]]:
        """Files with the rows that the trees learn from, and their counts."""
        return [(self.folder / task.file_name, self.counts[task.file_name]) for task in self.cut.learn]

    def stop(self) -> Rows:
        """Return the rows for early stopping, of all data sets."""
        return self._read([task for part in self.cut.stop for task in part])

    def judged(self) -> list[Rows]:
        """Return, for each data set, the rows that the model is evaluated on."""
        return [self._read(part) for part in self.cut.judge]

    def _read(self, tasks: Sequence[RowsTask]) -> Rows:
        return joined_rows([read_rows(self.folder / task.file_name) for task in tasks])


def _make_rows(cluster: Cluster, job: RowsJob, tasks: Sequence[RowsTask], progress: Progress) -> dict[str, RowCounts]:
    """Have the workers write the missing row files; return the counts of every file by its name."""
    folder, total = Path(job.folder), sum(len(task.queries) for task in tasks)
    sizes = {task.file_name: len(task.queries) for task in tasks}
    found = {name: counts for name in sizes if (counts := counts_of(folder / name, job.facts)) is not None}
    progress("features", sum(sizes[name] for name in found), total)

    def take(name: str) -> str:
        counts = counts_of(folder / name, job.facts)
        if counts is None:
            return other_folder(folder)
        found[name] = counts
        progress("features", sum(sizes[name] for name in found), total)
        return ""

    left = [task for task in tasks if task.file_name not in found]
    if left:
        cluster.each(f"paperfeed-train-{job.folder}", make_rows, job, left, take, done=len(found))
    return found
