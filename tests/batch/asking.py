"""Short ways to ask for a re-rank, and to read what came out."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from batch.cluster import Cluster
from batch.job import Job
from batch.population import EVENT_BYTES, USER_BYTES, Population
from batch.rerank.cargo import bundle_files
from batch.rerank.coordinator import Outcome, Request, Watcher, run
from ranker.bundle.bundle import load_bundle
from service.encoder import HashingEncoder
from tests.batch.worlds import DIGEST, NOW, World

FEW_USERS_BYTES = 10 * (USER_BYTES + 10 * EVENT_BYTES)
"""Partitions of about ten users."""

Slates = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Asking:
    """Requests with one bundle; ``out`` is where the output goes."""

    bundle: Path
    model_version: str
    out: Path

    def request(self, world: World, **changes: Any) -> Request:
        """A re-rank of a world, in small partitions; changes are of the job or of the request."""
        job = Job(
            source=world.url,
            population="all",
            digest_id=DIGEST,
            encoder=HashingEncoder.name,
            model_version=self.model_version,
            features_version=load_bundle(self.bundle, encoder=None).features_version,
            as_of=NOW,
            page_size=20,
            diversity=0.1,
            exploration=0.0,
            with_features=False,
        )
        of_job = {name: changes.pop(name) for name in list(changes) if name in Job.__dataclass_fields__}
        population = changes.pop("users", Population())
        found = Request(
            job=replace(job, population=population.name, **of_job),
            as_of_given=True,
            location=world.url,
            bundle=bundle_files(self.bundle),
            population=population,
            out=self.out,
            partition_bytes=FEW_USERS_BYTES,
        )
        return replace(found, **changes)

    def run(self, request: Request, cluster: Cluster, watch: Watcher = lambda _done, _total: None) -> Outcome:
        """Runs it on the cluster."""
        return run(request, lambda: nullcontext(cluster), watch)


@contextmanager
def no_cluster() -> Iterator[Cluster]:
    """For runs that must not need one."""
    raise AssertionError("a cluster was asked for")
    yield


def slates(out: Path) -> Slates:
    """Rows by user, in the order of the files."""
    found: Slates = {}
    for row in pq.read_table(out).to_pylist():
        found.setdefault(row["user_id"], []).append(row)
    return found


def places(rows: list[dict[str, Any]]) -> list[tuple[int, str, float]]:
    """What a slate says: rank, paper and score."""
    return [(row["rank"], row["paper_id"], row["score"]) for row in rows]
