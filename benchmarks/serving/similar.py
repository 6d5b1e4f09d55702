"""Similar papers among 100,000: the index's warm call against the bare matrix product on the same vectors.

    python -m benchmarks.serving.similar --json

The database has random unit vectors of 384 dimensions. Both sides run on one thread, in turn: the call reads a version
from the database, multiplies, and finds the 20 nearest; the floor multiplies one matrix with the same vector. Shown
beside it: how long the first call takes, which reads all vectors, and the memory of the index.
"""

import argparse
import datetime as dt
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

# Before numpy: its threads are counted when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np

from benchmarks.figures import figure, report
from service.app.ranking.similar import SimilarPapers
from service.domain.papers import Paper
from service.storage import SqlStore, open_store, schema

DIM = 384
NEAREST = 20
BATCH = 5_000
ENCODER = "random"
BUDGET = 2.0


def fill(url: str, count: int) -> SqlStore:
    """A catalogue with vectors."""
    schema.upgrade(url)
    store = open_store(url)
    rng = np.random.default_rng(0)
    now = dt.datetime.now(dt.UTC)
    for start in range(0, count, BATCH):
        papers = [Paper(f"p{i}", f"Paper number {i}") for i in range(start, min(start + BATCH, count))]
        vectors = rng.standard_normal((len(papers), DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        hashed = {paper.paper_id: (paper.text_hash, vector) for paper, vector in zip(papers, vectors, strict=True)}
        with store.write() as tx:
            tx.papers.upsert(papers, now)
            tx.papers.store_vectors(ENCODER, hashed)
    return store


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def resident_megabytes() -> float:
    """The most memory that this process has had so far (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: list[str] | None = None) -> int:
    """Prints the result; 1 when the budget does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.similar")
    parser.add_argument("--papers", type=int, default=100_000, help="vectors in the catalogue")
    parser.add_argument("--runs", type=int, default=30, help="of each, in turn")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        store = fill(f"sqlite:///{folder}/similar.db", options.papers)
        index = SimilarPapers()

        def ask(target: np.ndarray) -> list[tuple[str, float]]:
            with store.read() as tx:
                return index.nearest(tx, ENCODER, target, limit=NEAREST)

        with store.read() as tx:
            target = tx.papers.vectors(["p0"], ENCODER)["p0"]
        before = resident_megabytes()
        first = seconds_of(lambda: ask(target))
        megabytes = resident_megabytes() - before
        with store.read() as tx:
            ids, matrix = tx.papers.all_vectors(ENCODER)
        exact = sorted(zip(-np.round(matrix @ target, 6), ids, strict=True))[:NEAREST]
        if [name for name, _ in ask(target)] != [name for _, name in exact]:
            raise RuntimeError("the index gives other papers than the plain computation")
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
