"""Measure the start of a server and its memory, beyond the cost of importing its libraries.

    python -m benchmarks.serving.startup --json

The server has 10,000 papers with vectors, the shipped bundle and the default encoder; no paper needs to be embedded.
The floor is an interpreter that imports grpc, numpy, sqlalchemy and lightgbm. Both run in turn, and the medians are
compared. This needs Linux, because memory is read from /proc.
"""

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.figures import compared, figure, report, significant
from benchmarks.jobs.population import CANDIDATES, LIKES, PAPERS, random_vectors, store_papers
from benchmarks.serving.processes import paperfeed, resident_megabytes
from paperfeed.v1 import feed_pb2, feed_pb2_grpc
from service.domain.events import Event, EventType
from service.domain.papers import Digest, Paper
from service.encoder import DEFAULT_MODEL
from service.storage import open_store, schema
from testing.papers import random_text

BATCH = 1_000
SECONDS_BUDGET = 1.0
MEGABYTES_BUDGET = 120.0
USER = "user"
FLOOR = "import grpc, numpy, sqlalchemy, lightgbm, sys; print('ready', flush=True); sys.stdin.read()"


def fill(url: str) -> None:
    """Fill a database with papers and vectors, today's digest, and one user with likes."""
    schema.upgrade(url)
    store = open_store(url)
    rng = np.random.default_rng(0)
    now = dt.datetime.now(dt.UTC)
    for start in range(0, PAPERS, BATCH):
        papers = [
            Paper(f"p{i}", f"Paper {i}: {random_text(rng, 6)}", random_text(rng, 150))
            for i in range(start, start + BATCH)
        ]
        store_papers(store, papers, random_vectors(rng, BATCH), DEFAULT_MODEL, now)
    candidates = tuple(f"p{i}" for i in range(CANDIDATES))
    likes = [
        Event(f"e{i}", USER, f"p{CANDIDATES + i}", EventType.LIKE, now - dt.timedelta(days=i)) for i in range(LIKES)
    ]
    with store.write() as tx:
        tx.digests.save(Digest(digest_id="today", date=now.date(), paper_ids=candidates), now)
        tx.users.record(likes, now)
    store.dispose()


def floor_run() -> tuple[float, float]:
    """Return (seconds, megabytes) of the imports alone."""
    began = time.perf_counter()
    command = [sys.executable, "-c", FLOOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - began
        return seconds, resident_megabytes(process.pid)


def server_run(url: str, log: Path) -> tuple[float, float, float]:
    """Start a server and return its times and memory.

    Returns:
        (seconds until SERVING, seconds until the first feed, megabytes after it).

    Raises:
        RuntimeError: The server is not SERVING, or the feed was not ranked with the bundle.
    """
    began = time.perf_counter()
    with paperfeed(log, db=url) as server, grpc.insecure_channel(server.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        seconds = time.perf_counter() - began
        request = feed_pb2.GetFeedRequest(user_id=USER, page_size=20, explain=True)
        feed = feed_pb2_grpc.FeedServiceStub(channel).GetFeed(request, timeout=30).slate
        first_feed_seconds = time.perf_counter() - began
        if check.status != health_pb2.HealthCheckResponse.SERVING:
            raise RuntimeError("the server is not SERVING")
        if feed.fallback_reason != feed_pb2.FALLBACK_REASON_NONE or len(feed.items) != 20:
            reason = feed_pb2.FallbackReason.Name(feed.fallback_reason)
            raise RuntimeError(f"the feed was not ranked with the bundle: {reason}, {len(feed.items)} items")
        return seconds, first_feed_seconds, resident_megabytes(server.process.pid)


def beyond(name: str, values: list[float], floors: list[float], budget: float) -> dict[str, Any]:
    """Return one entry of the result; the budget limits value - floor."""
    value, floor, spreads = compared(values, floors)
    return figure(
        name, value, floor, at_most=budget, judged=value - floor, beyond_floor=significant(value - floor), **spreads
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the result; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.startup")
    parser.add_argument("--runs", type=int, default=7, help="runs of each side, in turn")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/startup.db"
        fill(url)
        # The first run of each is not counted: it fills the file cache.
        pairs = [(floor_run(), server_run(url, Path(folder, "log"))) for _ in range(options.runs + 1)][1:]
    floors, servers = zip(*pairs, strict=True)
    floor_seconds, floor_megabytes = ([each[i] for each in floors] for i in range(2))
    serving, first_feed, megabytes = ([each[i] for each in servers] for i in range(3))
    results = [
        beyond("server_start_seconds", serving, floor_seconds, SECONDS_BUDGET),
        beyond("server_first_feed_seconds", first_feed, floor_seconds, SECONDS_BUDGET),
        beyond("server_resident_megabytes", megabytes, floor_megabytes, MEGABYTES_BUDGET),
    ]
    return report(results, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
