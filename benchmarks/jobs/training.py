"""Compare the models trained on a cluster with those trained in one process, on the same held-out users.

    python -m benchmarks.jobs.training --json

Each run makes up a dated and an undated data set, of papers of three fields and users who each like one field, and
trains in this process and on two local workers. The two trainings mask different parts of each query and add in another
order, so their figures differ by chance. The result is the mean difference over the runs, plus and minus twice its
standard error.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

# Before the import of numpy, which reads them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from batch.cluster import Cluster, open_cluster
from batch.train.coordinator import train as train_on_cluster
from benchmarks.figures import figure, report
from ranker.blas import use_one_thread
from testing.training import planted
from training import Dataset, train
from training.recipes import Recipe, find_recipe

BUDGET = -0.01
FIGURE = "ndcg@10"


def _recipe(queries: int) -> Recipe:
    tiny = find_recipe("tiny")
    return replace(
        tiny, dated_query_limit=queries, undated_query_limit=queries, tree_count=100, early_stopping_rounds=40
    )


def _compared(
    cluster: Cluster, datasets: Sequence[Dataset], recipe: Recipe, seed: int, folder: Path
) -> dict[str, float]:
    """Return the mean figures over the data sets, counts and seconds of both trainings."""
    began = time.perf_counter()
    here = train(datasets, folder / f"here-{seed}", encoder_name="made-up", recipe=recipe, seed=seed)
    between = time.perf_counter()
    there = train_on_cluster(
        cluster, datasets, folder / f"there-{seed}", encoder_name="made-up", recipe=recipe, seed=seed, part_rows=5_000
    )
    figures = [[report.metrics[dataset.name][FIGURE] for dataset in datasets] for report in (here, there)]
    return {
        "here": float(np.mean(figures[0])),
        "there": float(np.mean(figures[1])),
        "queries": sum(report["queries"] for report in here.metrics.values()),
        "rows": float(here.account.learned_rows),
        "trees_here": float(here.account.fitted.tree_count),
        "trees_there": float(there.account.fitted.tree_count),
        "seconds_here": round(between - began, 1),
        "seconds_there": round(time.perf_counter() - between, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figure; return 1 if the budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.training")
    parser.add_argument("--runs", type=int, default=100, help="pairs of trainings")
    parser.add_argument("--users", type=int, default=300, help="users of each data set")
    parser.add_argument("--queries", type=int, default=300, help="most queries of each data set")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the cluster")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder, open_cluster(workers=options.workers) as cluster:
        runs = []
        for seed in range(options.runs):
            datasets = [
                planted(dated=dated, user_count=options.users, paper_count=1_200, seed=2 * seed + int(dated))
                for dated in (True, False)
            ]
            runs.append(_compared(cluster, datasets, _recipe(options.queries), seed, Path(folder)))
            print(runs[-1], file=sys.stderr)
    differences = np.array([run["there"] - run["here"] for run in runs])
    error = 2 * float(differences.std(ddof=1)) / len(runs) ** 0.5 if len(runs) > 1 else 0.0
    value = float(differences.mean())
    name = f"{FIGURE} on {options.workers} workers minus {FIGURE} in one process, held-out users, {len(runs)} runs"
    # One run says nothing about the spread.
    interval = [round(value - error, 4), round(value + error, 4)] if len(runs) > 1 else None
    found = figure(name, value, at_least=BUDGET, interval=interval)
    facts = {"readers": options.users, "queries": options.queries, "workers": options.workers}
    return report([found], as_json=options.json, details={"runs": runs}, **facts)


if __name__ == "__main__":
    raise SystemExit(main())
