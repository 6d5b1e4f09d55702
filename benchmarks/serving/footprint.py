"""Measure the cost of a feed, an event, a paper and a batch user: core milliseconds, bytes and resident memory.

    python -m benchmarks.serving.footprint --postgres postgresql://USER@HOST/NAME --json

``benchmarks.serving.capacity`` computes machines from the result. A server process serves users with 30 likes each from
a digest of 77. Costs are the processor time of the server and, separately, of PostgreSQL's processes on this machine.
Other work on the same cores can double them, so run this on a quiet machine. Bytes are those of whole tables with their
indexes. The database must be empty; the benchmark fills it.
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before the import of numpy, which reads them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
from sqlalchemy import create_engine, text

from batch.cluster import open_cluster
from batch.rerank.coordinator import Request, run
from batch.rerank.job import Job
from batch.rerank.population import Population
from benchmarks.figures import figure, report
from benchmarks.jobs.embed import texts
from benchmarks.jobs.population import CANDIDATES, DIGEST, LIKES, NOW, paper_id, user_id, write_papers
from benchmarks.serving.processes import cpu_seconds, paperfeed, peak_megabytes
from database.engine import parse_url
from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_BASIC
from paperfeed.v1.feed_pb2 import GetFeedRequest
from paperfeed.v1.profile_pb2 import EVENT_TYPE_CLICK, Event, RecordEventsRequest
from ranker.bundle.bundle import bundle_files, default_bundle_path, load_bundle
from service.domain.events import Event as StoredEvent
from service.domain.events import EventType
from service.encoder import DEFAULT_MODEL, open_encoder
from service.storage import open_store, retention, schema

PAPERS, USERS, FEW_USERS, ROUNDS, TEXTS = 2_000, 400, 50, 3, 96
PAGE = 20
TABLES = ("papers", "paper_aliases", "embeddings", "vector_changes", "users", "events", "slates")


def table_bytes(url: str) -> dict[str, int]:
    """Return the bytes of each table with its indexes."""
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            statement = (
                "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
            )
        else:
            statement = (
                "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
            )
        found = {str(row[0]): int(row[1]) for row in connection.execute(text(statement))}
    engine.dispose()
    return {table: found[table] for table in TABLES}


def compact(url: str) -> None:
    """Return the space of deleted rows to the system."""
    engine = create_engine(parse_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM" if engine.dialect.name == "sqlite" else "VACUUM FULL"))
    engine.dispose()


def store_pids(url: str) -> list[int]:
    """Return the ids of the PostgreSQL processes that serve paperfeed; none for SQLite."""
    engine = create_engine(parse_url(url))
    if engine.dialect.name == "sqlite":
        return []
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT pid FROM pg_stat_activity WHERE application_name = 'paperfeed'"))
        found = [int(row.pid) for row in rows]
    engine.dispose()
    return found


def fill(url: str) -> None:
    """Store papers with vectors, a digest, and users with likes."""
    schema.upgrade(url)
    store = open_store(url)
    write_papers(store, DEFAULT_MODEL, PAPERS)
    rng = np.random.default_rng(3)
    with store.read() as tx:
        ids = [paper.paper_id for paper in tx.papers.page(after="", limit=PAPERS)]
    for number in range(USERS):
        user = user_id(number)
        liked = rng.choice(ids, LIKES, replace=False)
        events = [StoredEvent(f"{user}-{paper}", user, str(paper), EventType.LIKE, NOW) for paper in liked]
        with store.write() as tx:
            tx.users.record(events, NOW)
    store.dispose()


def of_server(url: str, folder: Path) -> Iterator[tuple[str, float]]:
    """Yield the core milliseconds of calls, for the server and for the store, and the resident memory."""
    with paperfeed(folder / "log", db=url, log_level="ERROR") as server, Client(server.address) as client:
        pid = server.process.pid

        def feeds() -> None:
            for number in range(USERS):
                fields = {"user_id": user_id(number), "digest_id": DIGEST, "page_size": PAGE, "explain": True}
                client.feeds.GetFeed(GetFeedRequest(view=PAPER_VIEW_BASIC, **fields))

        def events() -> None:
            for number in range(USERS):
                event = Event(user_id=user_id(number), paper_id=paper_id(number % 100), event_type=EVENT_TYPE_CLICK)
                client.profiles.RecordEvents(RecordEventsRequest(events=[event]))

        def costs(call: Any) -> tuple[float, float]:
            backends = store_pids(url)
            before = cpu_seconds(pid), cpu_seconds(*backends)
            call()
            after = cpu_seconds(pid), cpu_seconds(*backends)
            ours, theirs = (1_000 * (end - begin) / USERS for begin, end in zip(before, after, strict=True))
            return ours, theirs

        client.feeds.GetFeed(GetFeedRequest(user_id="nobody", digest_id=DIGEST))
        yield "core ms of a user's first feed", costs(feeds)[0]
        warm = [costs(feeds) for _ in range(ROUNDS)]
        yield "core ms of a warm feed", min(ours for ours, _ in warm)
        yield "core ms of the store for a feed", min(theirs for _, theirs in warm)
        ours, theirs = costs(events)
        yield "core ms of an event", ours
        yield "core ms of the store for an event", theirs
        yield "core ms of a feed after an event", costs(feeds)[0]
        yield "resident MB of a server", peak_megabytes(pid)


def of_store(url: str) -> Iterator[tuple[str, float]]:
    """Yield the bytes of rows with their share of the indexes."""
    compact(url)
    whole = table_bytes(url)
    store = open_store(url)
    retention.prune(store, NOW.replace(year=NOW.year + 50), features_days=1)
    compact(url)
    bare = table_bytes(url)
    with store.connection() as connection:
        counts = {each: connection.execute(text(f"SELECT count(*) FROM {each}")).scalar_one() for each in TABLES}
        items = sum(len(json.loads(row.items)) for row in connection.execute(text("SELECT items FROM slates")))
    store.dispose()
    papers = counts["papers"]
    yield "bytes of a paper", sum(whole[each] for each in ("papers", "paper_aliases")) / papers
    yield "bytes of a vector", sum(whole[each] for each in ("embeddings", "vector_changes")) / counts["embeddings"]
    yield "bytes of an event", whole["events"] / counts["events"]
    yield "bytes of a user", whole["users"] / counts["users"]
    slates = counts["slates"]
    yield "bytes of a slate with features", whole["slates"] / slates
    yield "bytes of a slate without features", bare["slates"] / slates
    yield "items of a slate", items / slates


def of_batch(url: str, folder: Path) -> Iterator[tuple[str, float]]:
    """Yield the core milliseconds of a user in a re-rank, of the workers only."""
    path = default_bundle_path()
    bundle = load_bundle(path, encoder=None)
    names = (bundle.encoder_name, bundle.version, bundle.features_version)
    with open_cluster(workers=1) as cluster:
        used = []
        # The first job imports and loads. The difference of two further jobs is the cost of the users alone.
        for users in (1, FEW_USERS, USERS):
            population = Population(tuple(map(user_id, range(users))))
            job = Job("footprint", population.name, DIGEST, *names, NOW, PAGE, 0.1, 0.0, with_features=False)
            request = Request(job, True, url, bundle_files(path), population, folder / str(users))  # noqa: FBT003
            before = sum(cluster.in_each_worker(time.process_time))
            run(request, lambda: contextlib.nullcontext(cluster), lambda _done, _total: None)
            used.append(sum(cluster.in_each_worker(time.process_time)) - before)
        yield "core ms of a batch user", 1_000 * (used[2] - used[1]) / (USERS - FEW_USERS)


def of_encoder() -> Iterator[tuple[str, float]]:
    """Yield the core milliseconds of a paper in the encoder process, and the memory of the process."""
    used = []
    # A process that embeds little shows the cost of loading.
    for count in (8, TEXTS):
        before = _children_seconds()
        encoder = open_encoder(DEFAULT_MODEL, idle_seconds=None, threads=1)
        encoder.encode_in_background(texts(count))
        encoder.close()
        used.append(_children_seconds() - before)
    yield "core ms of embedding a paper", 1_000 * (used[1] - used[0]) / (TEXTS - 8)
    yield "resident MB of an encoder", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _children_seconds() -> float:
    """Return the processor time of the child processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def measured(postgres: str) -> dict[str, float]:
    """Return all figures by name."""
    found = dict(of_encoder())
    with tempfile.TemporaryDirectory() as folder:
        for engine, url in (("sqlite", f"sqlite:///{folder}/footprint.db"), ("postgresql", postgres)):
            if not url:
                continue
            fill(url)
            parts = [*of_server(url, Path(folder)), *of_batch(url, Path(folder, engine)), *of_store(url)]
            found |= {f"{engine}: {name}": value for name, value in parts}
    return found


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.footprint")
    parser.add_argument("--postgres", default="", help="URL of an empty database; by default only SQLite is measured")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    found = [figure(name, value) for name, value in measured(options.postgres).items()]
    return report(found, as_json=options.json, digest=CANDIDATES, likes=LIKES)


if __name__ == "__main__":
    sys.exit(main())
