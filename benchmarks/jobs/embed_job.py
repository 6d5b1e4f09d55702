"""Compare papers per second of ``paperfeed batch embed`` with SentenceTransformer.encode on one thread.

    python -m benchmarks.jobs.embed_job --json

The job has one worker with one torch thread, a SQLite database, and the made-up texts of ``benchmarks.jobs.embed``. Its
speed is measured with a loaded model, from the end of the first range to the end of the last, and includes reading and
storing. The floor encodes the same texts in this process, before and after the job.
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

# Before the imports of numpy and torch, which read it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from batch.cluster import open_cluster
from batch.embed.coordinator import run
from batch.embed.worker import Cargo
from benchmarks.figures import figure, report
from benchmarks.jobs.embed import texts
from benchmarks.timing import seconds_of
from service.domain.papers import Paper
from service.encoder import DEFAULT_MODEL, open_encoder
from service.encoder.models import find_model
from service.storage import open_store, schema

BUDGET = 0.9
RANGE_SIZE = 130_000
"""Characters of a range: some hundred texts, one batch of the encoder."""


def catalog(url: str, given: list[str]) -> None:
    """Create a database with a paper for each text."""
    schema.upgrade(url)
    store = open_store(url)
    papers = [Paper(f"p{number:06d}", f"Paper {number}", text) for number, text in enumerate(given)]
    with store.write() as tx:
        tx.papers.upsert(papers, dt.datetime(2026, 3, 11, tzinfo=dt.UTC))
    store.dispose()


def papers_per_second(given: list[str]) -> float:
    """Run the job and return its speed after the first range."""
    progress: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder, open_cluster(workers=1) as cluster:
        url = f"sqlite:///{Path(folder, 'catalog.db')}"
        catalog(url, given)
        cargo = Cargo(url, DEFAULT_MODEL, partial(open_encoder, DEFAULT_MODEL, threads=1))
        outcome = run(
            cargo,
            lambda: contextlib.nullcontext(cluster),
            lambda done, _total: progress.append((done, time.perf_counter())),
            range_size=RANGE_SIZE,
        )
    if outcome.ready_count != len(given):
        raise RuntimeError(f"{outcome.ready_count} vectors for {len(given)} papers")
    (first, began), (last, ended) = progress[1], progress[-1]
    return (last - first) / (ended - began)


def main() -> int:
    """Print the result; return 1 if the budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.embed_job")
    parser.add_argument("--papers", type=int, default=512, help="texts to embed")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()

    # Imported here, so that importing this module does not load torch.
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    torch.set_num_threads(1)
    bare = SentenceTransformer(find_model(DEFAULT_MODEL).checked_source(), device="cpu", local_files_only=True)
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
