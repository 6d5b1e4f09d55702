"""Requests of re-ranks, and the slates that they wrote."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.rerank.coordinator import Outcome, Request, Watcher, run
from batch.rerank.job import Job
from batch.rerank.population import EVENT_BYTES, USER_BYTES, Population
from paperfeed.v1.feed_pb2 import FallbackReason, ReasonType, Slate
from ranker.bundle.bundle import bundle_files, load_bundle
from service.encoder import HashingEncoder
from tests.batch.worlds import DIGEST, NOW, World

FEW_USERS_BYTES = 5 * (USER_BYTES + 10 * EVENT_BYTES)
"""Partitions of about five users."""

Slates = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Rerank:
    """Makes and runs requests with one bundle; ``out`` is the output folder."""

    bundle: Path
    model_version: str
    out: Path

    def request(self, world: World, **changes: Any) -> Request:
        """Return a request for a world in small partitions; ``changes`` are attributes of the job or the request."""
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
        """Run the request on the cluster."""
        return run(request, lambda: nullcontext(cluster), watch)

    def run_alone(self, request: Request) -> Outcome:
        """Run a request that must not need a cluster."""
        return run(request, no_cluster, lambda _done, _total: None)


def rerank_with(bundle: Path, folder: Path) -> Rerank:
    """Return what makes re-ranks with the bundle into the folder."""
    return Rerank(bundle, load_bundle(bundle, encoder=None).version, folder / "out")


def said(answer: Slate) -> list[tuple[Any, ...]]:
    """Return the content of a feed as plain values."""
    fallback = FallbackReason.Name(answer.fallback_reason).removeprefix("FALLBACK_REASON_").lower()
    return [
        (
            item.rank,
            item.paper.paper_id,
            item.score,
            tuple(
                (
                    ReasonType.Name(reason.type).removeprefix("REASON_TYPE_").lower(),
                    reason.subject,
                    reason.paper_id,
                    reason.similarity if reason.HasField("similarity") else None,
                )
                for reason in item.reasons
            ),
            answer.model_version,
            fallback,
        )
        for item in answer.items
    ]


def written(found: Slates, user_id: str) -> list[tuple[Any, ...]]:
    """Return the content of a user's rows in the form of ``said``."""
    return [
        (
            row["rank"],
            row["paper_id"],
            row["score"],
            tuple(
                (
                    reason["type"],
                    reason["subject"],
                    reason["paper_id"],
                    reason["similarity"],
                )
                for reason in row["reasons"]
            ),
            row["model_version"],
            row["fallback_reason"],
        )
        for row in found.get(user_id, [])
    ]


def assert_agree(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    """Two feeds have the same papers in the same order with the same reasons, and the same numbers up to rounding."""

    def without_numbers(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [(*row[:2], tuple(reason[:3] for reason in row[3]), *row[4:]) for row in rows]

    def numbers(rows: list[tuple[Any, ...]]) -> list[float]:
        return [value for row in rows for value in (row[2], *(reason[3] or 0.0 for reason in row[3]))]

    assert without_numbers(found) == without_numbers(expected)
    assert numbers(found) == pytest.approx(numbers(expected), abs=1e-5)


def assert_all_agree(found: dict[str, list[tuple[Any, ...]]], feeds: dict[str, list[tuple[Any, ...]]]) -> None:
    """The same users have feeds that agree."""
    assert found.keys() == feeds.keys()
    for user_id, rows in found.items():
        assert_agree(rows, feeds[user_id])


def assert_outputs_agree(out: Path, expected: Path) -> None:
    """Two outputs have the same rows in every column but the features, and the same numbers up to rounding."""
    tables = [pq.read_table(path) for path in (out, expected)]
    kept = [name for name in tables[0].column_names if name not in {"score", "reasons", "features"}]
    assert tables[0].select(kept).equals(tables[1].select(kept))
    assert_all_agree(*({user: written(rows, user) for user in rows} for rows in map(slates, (out, expected))))


@contextmanager
def no_cluster() -> Iterator[Cluster]:
    """Fail the test: a run that has no work must not open a cluster."""
    raise AssertionError("a cluster was opened")
    yield


def slates(out: Path) -> Slates:
    """Return the rows of each user, in the order of the files."""
    found: Slates = {}
    for row in pq.read_table(out).to_pylist():
        found.setdefault(row["user_id"], []).append(row)
    return found
