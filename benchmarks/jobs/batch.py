"""Compare a whole re-rank, from an export to Parquet, with the reference model alone, in bulk on one thread.

    python -m benchmarks.jobs.batch --json

The data are made up: papers of 40 fields with vectors, users with 30 likes each, and a digest of 77 papers. Spaces and
trees are those of a bundle (the shipped one unless --bundle names another). The job reads an export (paperfeed export)
and writes slates. Its time runs from the plan to the renamed folder; the workers are started before. Rows are users
times candidates. The floor is LightGBM's predict of reference_model.txt, measured before and after each job. Memory is
the peak resident memory of any worker.
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

# Before the import of numpy, which reads them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")


from batch.cluster import open_cluster
from batch.rerank.coordinator import Request, run
from batch.rerank.job import Job
from batch.rerank.population import Population
from benchmarks.figures import figure, report
from benchmarks.jobs.made_export import replace_users, write_export
from benchmarks.jobs.population import CANDIDATES, DIGEST, LIKES, NOW, PAPERS
from benchmarks.reference import reference_model, reference_rows
from benchmarks.serving.processes import peak_megabytes
from benchmarks.timing import seconds_of
from ranker.bundle.bundle import Bundle, bundle_files, default_bundle_path, load_bundle

RATE_BUDGET, SCALING_BUDGET, MEGABYTES_BUDGET = 0.45, 1.7, 1_500.0
FLOOR_ROWS = 64 * CANDIDATES
PAGE = 20


@dataclass(frozen=True)
class Measured:
    """Measurements of one job.

    Attributes:
        floor: Rows a second of the reference model, measured around the job.
        megabytes: Peak resident memory of any worker.
    """

    users: int
    workers: int
    seconds: float
    floor: float
    megabytes: float

    @property
    def rows_per_second_per_thread(self) -> float:
        """Return the rate over the whole job."""
        return self.users * CANDIDATES / self.seconds / self.workers


def floor_rows_per_second() -> list[float]:
    """Return 15 measurements of the rows a second of the reference model on one thread."""
    model = reference_model()
    rows = reference_rows(model, FLOOR_ROWS)
    return [FLOOR_ROWS / seconds_of(lambda: model.predict(rows, num_threads=1)) for _ in range(15)]


def measured(bundle: Bundle, path: Path, source: Path, users: int, workers: int) -> Measured:
    """Run one job over all users of an export and return its measurements."""
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
        megabytes = max(cluster.in_each_worker(peak_megabytes))
        return Measured(users, workers, seconds, statistics.median(floors), megabytes)


def results(whole: Measured, one: Measured, two: Measured) -> Iterator[dict[str, Any]]:
    """Yield the figures of the three jobs."""
    yield figure(
        f"batch, {whole.users} users, {whole.workers} workers: rows a second per worker thread",
        whole.rows_per_second_per_thread,
        whole.floor,
        at_least=RATE_BUDGET,
        seconds=round(whole.seconds, 1),
    )
    yield figure(
        f"batch, {two.users} users: speed of two workers divided by that of one",
        one.seconds / two.seconds,
        at_least=SCALING_BUDGET,
        seconds_of_one=round(one.seconds, 1),
        seconds_of_two=round(two.seconds, 1),
    )
    name = f"batch, {whole.users} users: peak resident MB of a worker"
    yield figure(name, round(whole.megabytes), at_most=MEGABYTES_BUDGET)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.batch")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="folder of the bundle")
    parser.add_argument("--users", type=int, default=100_000, help="users of the large job")
    parser.add_argument(
        "--scaling-users", type=int, default=48_000, help="users of the jobs that compare one worker with two"
    )
    parser.add_argument("--likes", type=int, default=LIKES, help="likes of each user")
    parser.add_argument("--papers", type=int, default=PAPERS, help="papers that users like")
    parser.add_argument("--workers", type=int, default=2, help="workers of the large job")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
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
