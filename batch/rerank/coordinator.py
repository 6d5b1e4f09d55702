"""The coordinator of a re-rank: makes or resumes the plan, hands out its partitions, and finishes the output."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batch.cluster import Cluster
from batch.errors import EmptyDigest, OutputUnusable
from batch.parquet import remove_leftovers
from batch.rerank.cargo import Cargo
from batch.rerank.job import Job
from batch.rerank.output import counts_of, find_manifest, finish
from batch.rerank.plan import Plan, find_plan, keep_plan, read_candidates, read_statistics
from batch.rerank.population import PARTITION_BYTES, Partition, Population, partitions_of
from batch.rerank.source import open_source
from batch.rerank.worker import Task, rerank
from batch.workspace import Workspace, opened_workspace, other_folder, place_of, without_empty_parents


@dataclass(frozen=True)
class Request:
    """A re-rank and where to write it.

    Attributes:
        job: A resumed run takes ``as_of`` from its plan, unless ``as_of_given``, and always its statistics_version.
        location: Database URL, with its password, or folder of an export.
        bundle: The bundle's files by name; None ranks by cosine.
        partition_bytes: See ``partitions_of``. A resumed run keeps the partitions of its plan.
        statistics: Output of ``CorpusStatistics.to_bytes`` for the job's statistics_version; empty for version 0. A
            resumed run keeps the statistics of its plan.
    """

    job: Job
    as_of_given: bool
    location: str
    bundle: Mapping[str, bytes] | None
    population: Population
    out: Path
    partition_bytes: int = PARTITION_BYTES
    statistics: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        manifest: The manifest of the output.
        resumed: Number of partitions that an earlier run finished.
    """

    manifest: dict[str, Any]
    resumed: int


_NO_USERS = (Partition(0, "", "", 0),)
"""Without users the output is one file without rows, so that it has its columns."""
Watcher = Callable[[int, int], None]
"""Called with the number of users done and the number of all users."""


def run(request: Request, cluster: Callable[[], Any], watch: Watcher) -> Outcome:
    """Rank the population, or the part of it that an interrupted run left; a finished output stays as it is.

    Args:
        cluster: Returns a context manager that opens the cluster; called only if there is work.

    Raises:
        UnknownDigest, EmptyDigest: The digest does not exist, or has no papers.
        OutputUnusable: The output folder holds something else, such as another job's output.
        ClusterUnavailable: No scheduler answers, or it has no workers.
        PartitionFailed: For example, the disk is full or the database was lost; finished partitions are kept.
    """
    out = place_of(request.out)
    if (outcome := _finished(request, out)) is not None:
        return outcome
    with without_empty_parents(out), opened_workspace(out) as workspace:
        # Another run may have finished the output before this one got the lock.
        if (outcome := _finished(request, out)) is not None:
            return outcome
        folder = workspace.folder
        remove_leftovers(folder)
        plan = find_plan(folder) or _new_plan(request, folder)
        _check_same(request, plan.job, folder)
        counts = {
            each.number: found for each in plan.partitions if (found := counts_of(folder, plan, each)) is not None
        }
        resumed = len(counts)
        watch(_user_count(counts), plan.user_count)
        if resumed < len(plan.partitions):
            cargo = Cargo(
                job=plan.job,
                location=request.location,
                bundle=request.bundle,
                statistics=read_statistics(folder, plan.job),
                candidates=read_candidates(folder),
                facts=plan.facts,
                folder=str(folder),
            )
            with cluster() as opened:
                _rank(opened, cargo, request.population, plan, workspace, counts, watch)
        return Outcome(finish(workspace, plan, [counts[each.number] for each in plan.partitions]), resumed)


def _finished(request: Request, out: Path) -> Outcome | None:
    """Return the outcome if the output is complete already."""
    manifest = find_manifest(out)
    if manifest is None:
        return None
    _check_same(request, Job.from_json(manifest["job"]), out)
    return Outcome(manifest, manifest["partition_count"])


def _rank(
    cluster: Cluster,
    cargo: Cargo,
    population: Population,
    plan: Plan,
    workspace: Workspace,
    counts: dict[int, dict[str, int]],
    watch: Watcher,
) -> None:
    """Rank the partitions that ``counts`` lacks, and add the counts of each."""
    tasks = [Task(each, population.ids_in(each)) for each in plan.partitions if each.number not in counts]

    def take(partition: Partition) -> str:
        found = counts_of(workspace.folder, plan, partition)
        if found is None:
            return other_folder(workspace.folder)
        counts[partition.number] = found
        watch(_user_count(counts), plan.user_count)
        return ""

    cluster.each(f"paperfeed-rerank-{cargo.folder}", rerank, cargo, tasks, take, done=len(counts))


def _user_count(counts: Mapping[int, Mapping[str, int]]) -> int:
    return sum(each["user_count"] for each in counts.values())


def _new_plan(request: Request, folder: Path) -> Plan:
    """Read the candidates, cut the population, and keep both as the plan."""
    source = open_source(request.location)
    try:
        table, version = source.candidates(request.job.digest_id, request.job.encoder)
        if not table.num_rows:
            raise EmptyDigest(request.job.digest_id)
        counts = source.counts(request.population.user_ids)
        partitions = tuple(partitions_of(counts, request.partition_bytes)) or _NO_USERS
    finally:
        source.close()
    plan = Plan(secrets.token_hex(16), request.job, partitions, version, table.column("embedding").null_count)
    keep_plan(folder, plan, _parquet_bytes(table), request.statistics)
    return plan


def _parquet_bytes(table: pa.Table) -> bytes:
    """Return the table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    return bytes(sink.getvalue())


def _check_same(request: Request, other: Job, where: Path) -> None:
    """Raise OutputUnusable if the folder holds another job than the request's."""
    # The catalog may have been counted since the first run.
    job = replace(request.job, statistics_version=other.statistics_version)
    job = job if request.as_of_given else replace(job, as_of=other.as_of)
    if differences := job.differences(other):
        problem = f"holds another job ({'; '.join(differences)}): name another folder, or remove it"
        raise OutputUnusable(where, problem)
