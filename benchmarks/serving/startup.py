"""How fast a server is up and how much memory it takes, beyond what importing its libraries costs.

    python -m benchmarks.serving.startup --json

The server has 10,000 papers with vectors, the bundle of the package and the default encoder's name; nothing needs to be
embedded. The floor is a bare interpreter that imports grpc, numpy, sqlalchemy and lightgbm. Both run in turn, and the
medians are compared. Linux only: memory is read from /proc.
"""

import argparse
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.figures import compared, figure, report, significant
from benchmarks.serving.processes import resident_megabytes
from paperfeed.v1 import feed_pb2, feed_pb2_grpc
from service.domain.events import Event, EventType
from service.domain.papers import Digest, Paper
from service.encoder import DEFAULT_MODEL
from service.storage import open_store, schema

PAPERS = 10_000
DIM = 384
CANDIDATES = 77
LIKES = 30
BATCH = 1_000
SECONDS_BUDGET = 1.0
MEGABYTES_BUDGET = 120.0
WORDS = [
    "graph",
    "protein",
    "code",
    "vision",
    "query",
    "language",
    "genome",
    "index",
    "neural",
    "database",
    "kernel",
    "market",
    "social",
    "music",
]
FLOOR = "import grpc, numpy, sqlalchemy, lightgbm, sys; print('ready', flush=True); sys.stdin.read()"


def fill(url: str) -> None:
    """A database as after a few months: papers with vectors, today's digest, one reader with likes."""
    schema.upgrade(url)
    store = open_store(url)
    rng = np.random.default_rng(0)
    now = dt.datetime.now(dt.UTC)
    for start in range(0, PAPERS, BATCH):
        papers = [
            Paper(f"p{i}", f"Paper {i}: " + " ".join(rng.choice(WORDS, 6)), " ".join(rng.choice(WORDS, 150)))
            for i in range(start, start + BATCH)
        ]
        vectors = rng.standard_normal((BATCH, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        hashed = {paper.paper_id: (paper.text_hash, vector) for paper, vector in zip(papers, vectors, strict=True)}
        with store.write() as tx:
            tx.papers.upsert(papers, now)
            tx.papers.store_vectors(DEFAULT_MODEL, hashed)
    candidates = tuple(f"p{i}" for i in range(CANDIDATES))
    likes = [
        Event(f"e{i}", "reader", f"p{CANDIDATES + i}", EventType.LIKE, now - dt.timedelta(days=i)) for i in range(LIKES)
    ]
    with store.write() as tx:
        tx.digests.save(Digest(digest_id="today", date=now.date(), paper_ids=candidates), now)
        tx.users.record(likes, now)
    store.dispose()


def floor_run() -> tuple[float, float]:
    """(seconds, megabytes) of the imports alone."""
    began = time.perf_counter()
    command = [sys.executable, "-c", FLOOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - began
        return seconds, resident_megabytes(process.pid)


def server_run(url: str) -> tuple[float, float, float]:
    """(seconds until SERVING, until the first feed is answered from the bundle, megabytes then) of a server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAPERFEED_")}
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--db", url]
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().removeprefix("listening on ").strip()
            with grpc.insecure_channel(address) as channel:
                check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
                seconds = time.perf_counter() - began
                request = feed_pb2.GetFeedRequest(user_id="reader", page_size=20, explain=True)
                feed = feed_pb2_grpc.FeedServiceStub(channel).GetFeed(request, timeout=30)
                first_feed_seconds = time.perf_counter() - began
            if check.status != health_pb2.HealthCheckResponse.SERVING:
                raise RuntimeError("the server is not SERVING")
            if feed.fallback_reason != feed_pb2.FALLBACK_REASON_NONE or len(feed.items) != 20:
                reason = feed_pb2.FallbackReason.Name(feed.fallback_reason)
                raise RuntimeError(f"the feed did not come from the bundle: {reason}, {len(feed.items)} items")
            return seconds, first_feed_seconds, resident_megabytes(process.pid)
        finally:
            process.terminate()


def beyond(name: str, values: list[float], floors: list[float], budget: float) -> dict[str, Any]:
    """One entry of the result; ``budget`` is for value - floor."""
    value, floor, spreads = compared(values, floors)
    return figure(
        name, value, floor, at_most=budget, judged=value - floor, beyond_floor=significant(value - floor), **spreads
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints the result; 1 when a budget does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.startup")
    parser.add_argument("--runs", type=int, default=7, help="of each, in turn")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/startup.db"
        fill(url)
        # The first of each warms the file cache.
        pairs = [(floor_run(), server_run(url)) for _ in range(options.runs + 1)][1:]
    floors, servers = zip(*pairs, strict=True)
    floor_seconds, floor_megabytes = ([each[i] for each in floors] for i in range(2))
    serving, first_feed, megabytes = ([each[i] for each in servers] for i in range(3))
    results = [
        beyond("server_start_seconds", serving, floor_seconds, SECONDS_BUDGET),
        # Whatever is put off until somebody asks counts too.
        beyond("server_first_feed_seconds", first_feed, floor_seconds, SECONDS_BUDGET),
        beyond("server_resident_megabytes", megabytes, floor_megabytes, MEGABYTES_BUDGET),
    ]
    return report(results, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
