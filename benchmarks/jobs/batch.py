"""A whole re-rank from stored profiles to Parquet, against the reference model alone, in bulk, on one thread.

    python -m benchmarks.jobs.batch --json

Made-up papers of 40 fields with vectors, readers with 30 likes each, a digest of 77; real spaces and trees of a bundle
(the shipped one unless --bundle names another). The job reads an export (paperfeed export) and writes its slates; what
counts is its whole time, from the plan to the renamed folder, with the workers started before. Rows are users times
candidates. The floor is LightGBM's predict of reference_model.txt on rows of as many candidates, measured before and
after each job. Memory is the most that any worker had resident, as the system counts it.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before numpy: its threads are counted when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import lightgbm
import numpy as np

from batch.cluster import Cluster, open_cluster
from batch.rerank.bundle_files import bundle_files
from batch.rerank.coordinator import Request, run
from batch.rerank.job import Job
from batch.rerank.population import Population
from benchmarks.figures import figure, report
from benchmarks.jobs.made_export import replace_users, write_export
from benchmarks.jobs.population import CANDIDATES, DIGEST, LIKES, NOW, PAPERS
from benchmarks.serving.processes import peak_megabytes
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle

RATE_BUDGET, SCALING_BUDGET, MEGABYTES_BUDGET = 0.5, 1.7, 1_500.0
FLOOR_ROWS = 64 * CANDIDATES
PAGE = 20


@dataclass(frozen=True)
class Measured:
    """One job.

    Attributes:
        floor: Rows a second of the reference model, in the same minutes.
        megabytes: The most that a worker had resident.
    """

    users: int
    workers: int
    seconds: float
    floor: float
    megabytes: float

    @property
    def rows_per_second_per_thread(self) -> float:
        """Of the whole job."""
        return self.users * CANDIDATES / self.seconds / self.workers


def floor_rows_per_second() -> list[float]:
    """Rows a second of the reference model on one thread, several times."""
    model = lightgbm.Booster(model_file=str(Path(__file__).parents[1] / "reference_model.txt"))
    rows = np.random.default_rng(0).standard_normal((FLOOR_ROWS, model.num_feature())).astype(np.float32)
    found = []
    for _ in range(15):
        began = time.perf_counter()
        model.predict(rows, num_threads=1)
        found.append(len(rows) / (time.perf_counter() - began))
    return found


def measured(bundle: Bundle, path: Path, source: Path, users: int, workers: int) -> Measured:
    """One job over all users of an export, so many."""
    population = Population()
    with tempfile.TemporaryDirectory() as folder, open_cluster(workers=workers) as cluster:
        job = Job(
            str(source),
            population.name,
            DIGEST,
            bundle.encoder_name,
            bundle.version,
            bundle.features_version,
            NOW,
            PAGE,
            0.1,
            0.0,
            with_features=False,
        )
        request = Request(
            job,
            as_of_given=True,
            location=str(source),
            bundle=bundle_files(path),
            population=population,
            out=Path(folder, "out"),
        )
        floors = floor_rows_per_second()
        began = time.perf_counter()
        outcome = run(request, lambda: contextlib.nullcontext(cluster), lambda _done, _total: None)
        seconds = time.perf_counter() - began
        floors += floor_rows_per_second()
        if outcome.manifest["item_count"] != users * PAGE:
            raise RuntimeError(f"{outcome.manifest['item_count']} items for {users} users")
        return Measured(users, workers, seconds, statistics.median(floors), _peak(cluster))


def _peak(cluster: Cluster) -> float:
    return max(cluster.in_each_worker(peak_megabytes))


def results(whole: Measured, one: Measured, two: Measured) -> Iterator[dict[str, Any]]:
    """The figures."""
    yield figure(
        f"batch, {whole.users} users, {whole.workers} workers: rows a second per worker thread",
        whole.rows_per_second_per_thread,
        whole.floor,
        at_least=RATE_BUDGET,
        seconds=round(whole.seconds, 1),
    )
    yield figure(
        f"batch, {two.users} users: two workers, times as fast as one",
        one.seconds / two.seconds,
        at_least=SCALING_BUDGET,
        seconds_of_one=round(one.seconds, 1),
        seconds_of_two=round(two.seconds, 1),
    )
    name = f"batch, {whole.users} users: most resident MB of a worker"
    yield figure(name, round(whole.megabytes), at_most=MEGABYTES_BUDGET)


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 1 where a budget does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.batch")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--users", type=int, default=100_000, help="of the large job")
    parser.add_argument("--scaling-users", type=int, default=48_000, help="of the jobs of one worker and of two")
    parser.add_argument("--likes", type=int, default=LIKES, help="of each user")
    parser.add_argument("--papers", type=int, default=PAPERS, help="that readers may like")
    parser.add_argument("--workers", type=int, default=2, help="of the large job")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args(arguments)
    bundle = load_bundle(options.bundle, encoder=None)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "export")
        write_export(source, options.scaling_users, bundle.encoder_name, options.likes, options.papers)
        one = measured(bundle, options.bundle, source, options.scaling_users, 1)
        two = measured(bundle, options.bundle, source, options.scaling_users, 2)
        replace_users(source, options.users, options.likes, options.papers)
        whole = measured(bundle, options.bundle, source, options.users, options.workers)
    return report(list(results(whole, one, two)), as_json=options.json, bundle=bundle.version)


if __name__ == "__main__":
    sys.exit(main())
