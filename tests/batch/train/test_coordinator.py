"""Training on a cluster: rows of whole queries in files, one model of all workers, and clear errors."""

import os
import signal
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from batch.cluster import Cluster, open_cluster
from batch.errors import OutputUnusable, PartitionFailed, TreesNotGrown
from batch.train import worker as training_rows
from batch.train.coordinator import train
from batch.train.plan import cut_rows
from batch.train.rows_table import read_rows
from batch.workspace import TRAINING_NAME
from ranker.bundle.bundle import load_bundle
from testing.training import planted
from tests.batch.killing import partial
from tests.batch.remote import Scheduler
from training import TrainingReport
from training import train as train_here
from training.data.rows import QUERIES_PER_CATALOG, feature_rows
from training.preparation import Prepared, prepare
from training.progress import Progress, silent
from training.recipes import FactorSettings, find_recipe

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DATASETS = (
    planted(dated=True, user_count=20, paper_count=120, weeks=12),
    planted(dated=False, user_count=20, paper_count=120, seed=1),
)
TINY = find_recipe("tiny")
RECIPE = replace(
    TINY,
    tree_count=20,
    factors=FactorSettings(factor_count=16, term_count=500, steps=2, batch_users=64, pool_size=200),
    dated_query_limit=16,
    dated_guises=1,
    undated_query_limit=16,
    undated_candidate_count=30,
)
PART_ROWS = 100
LONG = replace(RECIPE, tree_count=100_000)
"""A recipe whose trees grow until the run is stopped."""


@pytest.fixture(scope="module")
def trained(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """A bundle made by two workers, and the report of its training."""
    folder = tmp_path_factory.mktemp("cluster_trained") / "bundle"
    return folder, run(cluster, folder)


def run(cluster: Cluster, out: Path, progress: Progress = silent, **more: object) -> TrainingReport:
    """Train with small files of rows."""
    options = {"recipe": RECIPE, "seed": 4, "part_rows": PART_ROWS, **more}
    return train(cluster, DATASETS, out, encoder_name="made-up", progress=progress, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """The same training, prepared up to its rows."""
    return prepare(DATASETS, RECIPE, 4, np.random.default_rng(4), silent)


def interrupted(cluster: Cluster, out: Path, stage: str, **more: object) -> None:
    """Interrupt a training while it makes features, or before its first tree."""

    def stop(what: str, done: int, _total: int) -> None:
        if what == stage and (done > 0 or what == "trees"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(cluster, out, stop, **more)


def test_bundle_equals_one_of_one_process(trained: tuple[Path, TrainingReport], tmp_path: Path) -> None:
    """The bundle loads; spaces, features and numbers of queries and rows equal those of one process."""
    here = train_here(DATASETS, tmp_path / "here", encoder_name="made-up", recipe=RECIPE, seed=4)
    there = trained[1]

    bundle = load_bundle(trained[0], encoder="made-up")
    mine = load_bundle(tmp_path / "here", encoder="made-up")
    assert bundle.features_version == mine.features_version
    assert bundle.manifest.params == {**mine.manifest.params, "worker_count": 2}
    assert there.account.learned_rows == here.account.learned_rows
    assert set(there.account.seconds) == set(here.account.seconds)
    for one, other in zip(there.account.data, here.account.data, strict=True):
        assert (one.fingerprint, one.learned_queries) == (other.fingerprint, other.learned_queries)
        assert np.array_equal(one.held_out_users, other.held_out_users)
        assert np.array_equal(one.held_out.labels, other.held_out.labels)
        assert np.allclose(one.held_out.features, other.held_out.features, atol=1e-5, equal_nan=True)


def test_report_and_model(trained: tuple[Path, TrainingReport]) -> None:
    """The curve is greatest at the last tree, and the model does not name the machines it was made on."""
    folder, report = trained
    fitted = report.account.fitted
    assert fitted.tree_count == int(np.argmax(fitted.curve)) + 1
    assert len(fitted.curve) == RECIPE.tree_count
    text = (folder / "model.txt").read_text()
    assert text.count("\nTree=") == fitted.tree_count
    assert "127.0.0.1" not in text
    assert "[machines: ]" in text
    assert not partial(folder).exists()


def test_every_query_is_whole_and_in_one_file(prepared: Prepared, cluster: Cluster, tmp_path: Path) -> None:
    """Each query's rows are adjacent and in one file; unmasked rows equal those of one process."""
    interrupted(cluster, tmp_path / "out", "trees")
    folder, cut = partial(tmp_path / "out"), cut_rows(prepared, PART_ROWS)

    learned = [read_rows(folder / task.file_name) for task in cut.learn]
    sizes = sorted(size for rows in learned for size in rows.group_sizes.tolist())
    assert sizes == sorted(len(query.candidates) for part in prepared.learn for query in part)
    assert len(learned) >= 4

    for own, part, tasks in zip(prepared.papers(), prepared.held_out, cut.judge, strict=True):
        expected = feature_rows([(own, query) for query in part], None, np.random.default_rng(0), silent)
        found = [read_rows(folder / task.file_name) for task in tasks]
        assert np.array_equal(np.concatenate([rows.labels for rows in found]), expected.labels)
        features = np.concatenate([rows.features for rows in found])
        assert np.allclose(features, expected.features, atol=1e-5, equal_nan=True)


def placed_trainings() -> int:
    """Return the number of trainings for which this process holds papers."""
    return len(training_rows._papers)


def test_workers_that_grow_trees_hold_no_papers(cluster: Cluster, tmp_path: Path) -> None:
    """When trees begin to grow, no worker holds the papers that it made rows of."""
    held: list[int] = []

    def look(what: str, done: int, _total: int) -> None:
        if what == "trees" and not held:
            held.extend(cluster.in_each_worker(placed_trainings))

    run(cluster, tmp_path / "out", look)

    assert held == [0, 0]


def test_queries_with_one_catalog_are_in_one_file(prepared: Prepared) -> None:
    """Queries of one data set, week and fold are in one file if they are few enough to share a catalog."""
    learn = cut_rows(prepared, PART_ROWS).learn
    places = [[(number, query.week, query.fold) for number, query in task.queries] for task in learn]
    sizes = Counter(chain(*places))
    assert max(sizes.values()) > 1
    assert all(size <= QUERIES_PER_CATALOG for size in sizes.values())
    assert sum(len(set(keys)) for keys in places) == len(sizes)


def test_weights_balance_the_data_sets(prepared: Prepared) -> None:
    """The queries of each data set weigh their share in total, however many there are."""
    cut = cut_rows(prepared, PART_ROWS)
    weighed = np.zeros(2)
    for task in cut.learn:
        for number, _ in task.queries:
            weighed[number] += task.weights[number]
    assert weighed[0] / weighed[1] == pytest.approx(RECIPE.dated_weight)


def test_held_out_users_are_limited(prepared: Prepared) -> None:
    """The number of queries for evaluation is limited, that of queries to learn from is not."""
    cut = cut_rows(prepared, PART_ROWS, held_out_limit=1)
    assert list(map(len, cut.held_out)) == [1, 1]
    assert sum(len(task.queries) for task in cut.learn) == sum(map(len, prepared.learn))


@pytest.mark.parametrize("stage", ["features", "trees"])
def test_resumes(cluster: Cluster, tmp_path: Path, stage: str) -> None:
    """A resumed training makes no finished file again; a damaged file is made again."""
    out = tmp_path / "out"
    interrupted(cluster, out, stage)
    assert not out.exists()
    done = sorted(partial(out).glob("*.parquet"))
    done[0].write_bytes(done[0].read_bytes()[:-20])
    times = {path.name: path.stat().st_mtime_ns for path in done[1:]}
    kept: dict[str, int] = {}

    def look(what: str, _done: int, _total: int) -> None:
        if what == "trees" and not kept:
            kept.update({path.name: path.stat().st_mtime_ns for path in partial(out).glob("*.parquet")})

    run(cluster, out, look)

    assert times.items() <= kept.items()
    assert done[0].name in kept
    assert load_bundle(out, encoder="made-up").manifest.params["worker_count"] == 2
    assert not partial(out).exists()


def test_rows_of_another_training(cluster: Cluster, tmp_path: Path) -> None:
    """The rows of another training are refused, and the error says what differs."""
    interrupted(cluster, tmp_path / "out", "features")
    with pytest.raises(OutputUnusable, match=r"holds the rows of another training \(seed differ\): remove it"):
        run(cluster, tmp_path / "out", seed=5)
    (partial(tmp_path / "out") / TRAINING_NAME).write_text("{")
    with pytest.raises(OutputUnusable, match=f"{TRAINING_NAME}: cannot be read"):
        run(cluster, tmp_path / "out")


def test_lost_folder(cluster: Cluster, tmp_path: Path) -> None:
    """A lost folder is a clear error."""

    def remove(what: str, done: int, _total: int) -> None:
        if what == "features" and done == 0:
            partial(tmp_path / "out").rename(tmp_path / "elsewhere")

    with pytest.raises(PartitionFailed, match=r"No such file or directory \(\d+ of \d+ partitions are done"):
        run(cluster, tmp_path / "out", remove)


def killing(pids: list[int]) -> Progress:
    """Return a watcher that kills a worker once some trees are grown."""

    def watch(what: str, done: int, _total: int) -> None:
        if what == "trees" and done >= 3 and pids:
            os.kill(pids.pop(), signal.SIGKILL)

    return watch


@pytest.mark.parametrize("count", [1, 2])
def test_killed_worker(tmp_path: Path, count: int) -> None:
    """If a worker is killed while trees grow, the run ends with a clear error and the rows are kept."""
    out = tmp_path / "out"
    with open_cluster(workers=count) as cluster:
        pids = cluster.in_each_worker(os.getpid)
        with pytest.raises(TreesNotGrown, match=rf"1 of {count} workers were lost.*rows are kept"):
            run(cluster, out, killing(pids[:1]), recipe=LONG)
    assert not out.exists()
    assert len(list(partial(out).glob("learn-*.parquet"))) >= 4


def test_lost_scheduler(scheduler: Scheduler, worker: None, tmp_path: Path) -> None:
    """If the scheduler dies while trees grow, the run ends with a clear error."""

    def watch(what: str, done: int, _total: int) -> None:
        if what == "trees" and done >= 3:
            scheduler.process.kill()

    with (
        open_cluster(scheduler.address, connect_seconds=60) as cluster,
        pytest.raises(TreesNotGrown, match="the Dask scheduler was lost while trees were grown"),
    ):
        run(cluster, tmp_path / "out", watch, recipe=LONG)
    assert not (tmp_path / "out").exists()
