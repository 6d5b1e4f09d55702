"""Trees that workers grow together, compared with those of one process on the same rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from batch.cluster import Cluster, open_cluster
from batch.errors import TreesNotGrown
from batch.train.rows_table import RowCounts, counts_of, write_rows
from batch.train.tree_growing import grow_trees
from tests.training.trees.builders import RECIPE, WITHOUT_BASE, rows
from training.data.rows import joined_rows
from training.errors import TrainingError
from training.progress import silent
from training.trees.fit import base_of, fit
from training.trees.stopping import cut_at_best

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SEEDS = range(8)
BASE = base_of(RECIPE)


def trees(text: str) -> str:
    """Return the trees of a model's text."""
    return text[text.index("Tree=0") : text.index("end of trees")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, RowCounts]]:
    """Eight files of sixty queries."""
    folder = tmp_path_factory.mktemp("rows")
    found = []
    for seed in SEEDS:
        path = folder / f"learn-{seed:06d}.parquet"
        write_rows(path, rows(seed), {"of": "this"})
        counts = counts_of(path, {"of": "this"})
        assert counts is not None
        found.append((path, counts))
    return found


def test_one_worker_grows_the_trees_grown_here(files: list[tuple[Path, RowCounts]]) -> None:
    """One worker grows the trees of one process with early stopping; they correct the recipe's base."""
    learn, held_out = joined_rows([rows(seed) for seed in SEEDS]), rows(100)
    with open_cluster(workers=1) as cluster:
        text = grow_trees(cluster, files, RECIPE, 0, silent)

    assert trees(cut_at_best(text, BASE, held_out).text) == trees(fit(learn, held_out, RECIPE, 0, silent).text)
    assert trees(text) != trees(fit(learn, held_out, WITHOUT_BASE, 0, silent).text)


def test_two_workers_grow_a_model_as_good(files: list[tuple[Path, RowCounts]], cluster: Cluster) -> None:
    """The models of two workers and of one process have the same nDCG@10 on held-out users, within a hundredth."""
    learn, held_out = joined_rows([rows(seed) for seed in SEEDS]), joined_rows([rows(seed) for seed in range(100, 104)])

    text = grow_trees(cluster, files, RECIPE, 0, silent)

    assert max(cut_at_best(text, BASE, held_out).curve) == pytest.approx(
        max(fit(learn, held_out, RECIPE, 0, silent).curve), abs=0.01
    )
    assert "127.0.0.1" not in text


def test_a_worker_without_rows_takes_no_part(files: list[tuple[Path, RowCounts]], cluster: Cluster) -> None:
    """With fewer files than workers, the workers without rows take no part, and nothing waits for them."""
    learn, held_out = rows(0), rows(100)
    text = grow_trees(cluster, files[:1], RECIPE, 0, silent)
    assert trees(cut_at_best(text, BASE, held_out).text) == trees(fit(learn, held_out, RECIPE, 0, silent).text)


def test_too_few_rows(files: list[tuple[Path, RowCounts]], cluster: Cluster) -> None:
    """Rows too few for any split are the same error as in one process."""
    recipe = replace(RECIPE, min_leaf_rows=10_000)
    with pytest.raises(TrainingError, match="480 queries with 9600 candidates are too few to learn from"):
        grow_trees(cluster, files, recipe, 0, silent)
    with pytest.raises(TrainingError, match="are too few to learn from"):
        fit(rows(0), rows(1), recipe, 0, silent)


def test_more_rows_than_memory(cluster: Cluster) -> None:
    """If a worker's rows do not fit its memory, the error comes before anything is loaded."""
    counts = RowCounts(queries=10**7, rows=10**9)
    with pytest.raises(TreesNotGrown, match=r"a worker's rows take 360\.5 GB while trees are grown, and it may use"):
        grow_trees(cluster, [(Path("learn-000000.parquet"), counts)], RECIPE, 0, silent)
