"""Papers per second of ``paperfeed batch embed``, against SentenceTransformer.encode called directly on one thread.

    python -m benchmarks.jobs.embed_job --json

The job has one worker with one thread of torch, a SQLite database, and made-up texts as in ``benchmarks.jobs.embed``. What
counts is its pace once the model is loaded: from the end of the first range to the end of the last, reading, encoding
and storing. The floor encodes the same texts in this process, before and after.
"""

import argparse
import contextlib
import datetime as dt
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

# Before numpy and torch: threads are counted when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from batch.cluster import open_cluster
from batch.embed.coordinator import run
from batch.embed.worker import Cargo
from benchmarks.figures import figure, report
from benchmarks.jobs.embed import seconds_of, texts
from service.domain.papers import Paper
from service.encoder import DEFAULT_MODEL, open_encoder
from service.encoder.models import PackagedModel
from service.storage import open_store, schema

BUDGET = 0.9
RANGE_SIZE = 130_000
"""Some hundred texts, as many as go through the encoder at a time."""


def catalog(url: str, given: list[str]) -> None:
    """A database with a paper for each text."""
    schema.upgrade(url)
    store = open_store(url)
    papers = [Paper(f"p{number:06d}", f"Paper {number}", text) for number, text in enumerate(given)]
    with store.write() as tx:
        tx.papers.upsert(papers, dt.datetime(2026, 3, 11, tzinfo=dt.UTC))
    store.dispose()


def papers_per_second(given: list[str]) -> float:
    """The job's pace after its first range."""
    told: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder, open_cluster(workers=1) as cluster:
        url = f"sqlite:///{Path(folder, 'catalog.db')}"
        catalog(url, given)
        cargo = Cargo(url, DEFAULT_MODEL, partial(open_encoder, DEFAULT_MODEL, threads=1))
        outcome = run(
            cargo,
            lambda: contextlib.nullcontext(cluster),
            lambda done, _total: told.append((done, time.perf_counter())),
            range_size=RANGE_SIZE,
        )
    if outcome.ready_count != len(given):
        raise RuntimeError(f"{outcome.ready_count} vectors for {len(given)} papers")
    (first, began), (last, ended) = told[1], told[-1]
    return (last - first) / (ended - began)


def main() -> int:
    """Prints the result; 1 when the budget does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.embed_job")
    parser.add_argument("--papers", type=int, default=512, help="texts of the job")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args()

    # Here alone: the floor is the library in this very process.
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    torch.set_num_threads(1)
    bare = SentenceTransformer(PackagedModel().checked_source(), device="cpu", local_files_only=True)
    given = texts(options.papers)
    bare.encode(given[:32], show_progress_bar=False)

    def floor() -> float:
        return options.papers / seconds_of(lambda: bare.encode(given, show_progress_bar=False))

    before = floor()
    value = papers_per_second(given)
    best = max(before, floor())
    found = figure("embed_job_papers_per_second_per_worker", value, best, at_least=BUDGET)
    return report([found], as_json=options.json, papers=options.papers)


if __name__ == "__main__":
    sys.exit(main())
