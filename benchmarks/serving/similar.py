"""Compare a search for similar papers among 100,000 with the matrix product on the same vectors.

    python -m benchmarks.serving.similar --json

The database has random unit vectors of 384 dimensions. Both sides run on one thread, in turn. A warm call reads a
version from the database, multiplies, and finds the 20 nearest papers; the floor multiplies one matrix with the same
vector. The figure also shows the seconds of the first call, which reads all vectors, and the memory of the index.
"""

import argparse
import datetime as dt
import os
import statistics
import sys
import tempfile

# Before the import of numpy, which reads them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np

from benchmarks.figures import figure, report
from benchmarks.jobs.population import random_vectors, store_papers
from benchmarks.serving.processes import peak_megabytes
from benchmarks.timing import seconds_of
from service.app.ranking.similar import SimilarPapers
from service.domain.papers import Paper
from service.storage import SqlStore, open_store, schema

NEAREST = 20
BATCH = 5_000
ENCODER = "random"
BUDGET = 2.0


def fill(url: str, count: int) -> SqlStore:
    """Store papers with random vectors and return the open store."""
    schema.upgrade(url)
    store = open_store(url)
    rng = np.random.default_rng(0)
    now = dt.datetime.now(dt.UTC)
    for start in range(0, count, BATCH):
        papers = [Paper(f"p{i}", f"Paper number {i}") for i in range(start, min(start + BATCH, count))]
        store_papers(store, papers, random_vectors(rng, len(papers)), ENCODER, now)
    return store


def main(arguments: list[str] | None = None) -> int:
    """Print the result; return 1 if the budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.similar")
    parser.add_argument("--papers", type=int, default=100_000, help="papers in the database")
    parser.add_argument("--runs", type=int, default=30, help="runs of each side, in turn")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        store = fill(f"sqlite:///{folder}/similar.db", options.papers)
        index = SimilarPapers()

        def ask(target: np.ndarray) -> list[tuple[str, float]]:
            with store.read() as tx:
                return index.nearest(tx, ENCODER, target, limit=NEAREST)

        with store.read() as tx:
            target = tx.papers.vectors(["p0"], ENCODER)["p0"]
        before = peak_megabytes()
        first = seconds_of(lambda: ask(target))
        megabytes = peak_megabytes() - before
        with store.read() as tx:
            ids, matrix = tx.papers.all_vectors(ENCODER)
        exact = sorted(zip(-np.round(matrix @ target, 6), ids, strict=True))[:NEAREST]
        if [name for name, _ in ask(target)] != [name for _, name in exact]:
            raise RuntimeError("the index and the plain computation find different papers")
        pairs = [(seconds_of(lambda: ask(target)), seconds_of(lambda: matrix @ target)) for _ in range(options.runs)]
        store.dispose()
    value, floor = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    found = figure(
        "similar_milliseconds",
        value,
        floor,
        at_most=BUDGET,
        papers=options.papers,
        first_call_seconds=round(first, 2),
        index_megabytes=round(megabytes, 1),
    )
    return report([found], as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
