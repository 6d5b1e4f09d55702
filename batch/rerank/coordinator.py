"""The whole of a re-rank: candidates and population are fixed, partitions handed out, the output given its name."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batch.cluster import Cluster
from batch.errors import EmptyDigest, OutputUnusable, PartitionFailed
from batch.job import Job
from batch.parquet import remove_leftovers
from batch.population import PARTITION_BYTES, Partition, Population, partitions_of
from batch.rerank.cargo import Cargo
from batch.rerank.worker import Done, Failure, Task, rerank
from batch.source import open_source
from batch.workspace import Plan, Workspace, find_manifest, opened_workspace, place_of, without_empty_parents


@dataclass(frozen=True)
class Request:
    """A re-rank as it is asked for.

    Attributes:
        job: Its ``as_of`` counts where nothing is done yet, or where ``as_of_given``.
        location: The database's URL, or the folder of an export.
        bundle: The bundle's files; None ranks by cosine.
        partition_bytes: See ``partitions_of``; a run that goes on keeps the cuts of the first.
    """

    job: Job
    as_of_given: bool
    location: str
    bundle: Mapping[str, bytes] | None
    population: Population
    out: Path
    partition_bytes: int = PARTITION_BYTES


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        manifest: As written beside the output.
        resumed: Partitions that were done before.
    """

    manifest: dict[str, Any]
    resumed: int


_NOBODY = (Partition(0, "", "", 0),)
"""Without users the output is one file without rows: who reads it finds the columns."""
Watcher = Callable[[int, int], None]
"""Is told how many users are done, and how many there are."""


def run(request: Request, cluster: Callable[[], Any], watch: Watcher) -> Outcome:
    """Ranks the population, or what is left of it; a finished output is left as it is.

    Args:
        cluster: Opens the cluster, as a context; called when there is work.

    Raises:
        UnknownDigest, EmptyDigest: No such digest, or none of its papers is left.
        OutputUnusable: The folder holds something else, another job's output for example.
        ClusterUnavailable: Nobody to work.
        PartitionFailed: A full disk, a lost database; what is done stays.
    """
    out = place_of(request.out)
    if (outcome := _finished(request, out)) is not None:
        return outcome
    with without_empty_parents(out), opened_workspace(out) as workspace:
        # Another run may have ended just before this one could begin.
        if (outcome := _finished(request, out)) is not None:
            return outcome
        remove_leftovers(workspace.folder)
        plan = workspace.find_plan() or _begun(request, workspace)
        _check_same(request, plan.job, workspace.folder)
        counts = {each.number: found for each in plan.partitions if (found := workspace.done(plan, each)) is not None}
        resumed = len(counts)
        watch(sum(found["user_count"] for found in counts.values()), plan.user_count)
        left = [Task(each, request.population.ids_in(each)) for each in plan.partitions if each.number not in counts]
        if left:
            candidates, folder = workspace.candidates(), str(workspace.folder)
            cargo = Cargo(plan.job, request.location, request.bundle, candidates, plan.facts, folder)
            with cluster() as opened:
                _work(opened, cargo, left, counts, plan, workspace, watch)
        return Outcome(workspace.finish(plan, [counts[each.number] for each in plan.partitions]), resumed)


def _finished(request: Request, out: Path) -> Outcome | None:
    """What came of a run before; None where none is finished."""
    manifest = find_manifest(out)
    if manifest is None:
        return None
    _check_same(request, Job.from_json(manifest["job"]), out)
    return Outcome(manifest, manifest["partition_count"])


def _work(
    cluster: Cluster,
    cargo: Cargo,
    left: list[Task],
    counts: dict[int, dict[str, int]],
    plan: Plan,
    workspace: Workspace,
    watch: Watcher,
) -> None:
    problems: list[str] = []

    def take(result: Done | Failure) -> bool:
        found = workspace.done(plan, result.partition) if isinstance(result, Done) else None
        if found is not None:
            counts[result.partition.number] = found
            watch(sum(each["user_count"] for each in counts.values()), plan.user_count)
        elif isinstance(result, Failure):
            problems.append(result.problem)
        else:
            problems.append(f"{workspace.folder} is not the same folder to the workers as it is here")
        return not problems

    cluster.each(f"paperfeed-rerank-{cargo.folder}", rerank, cargo, left, take)
    if problems:
        raise PartitionFailed(problems[0], done=len(counts), total=len(plan.partitions))


def _begun(request: Request, workspace: Workspace) -> Plan:
    """Fixes the candidates and cuts the population."""
    source = open_source(request.location)
    try:
        table, version = source.candidates(request.job.digest_id, request.job.encoder)
        if not table.num_rows:
            raise EmptyDigest(request.job.digest_id)
        partitions = tuple(partitions_of(source.counts(request.population), request.partition_bytes)) or _NOBODY
    finally:
        source.close()
    plan = Plan(secrets.token_hex(16), request.job, partitions, version, table.column("embedding").null_count)
    workspace.begin(plan, _file_of(table))
    return plan


def _file_of(table: pa.Table) -> bytes:
    """The candidates as they are now, as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    return bytes(sink.getvalue())


def _check_same(request: Request, other: Job, where: Path) -> None:
    asked = request.job if request.as_of_given else request.job.at(other.as_of)
    if differences := asked.differences(other):
        problem = f"holds another job ({'; '.join(differences)}): name another folder, or remove it"
        raise OutputUnusable(where, problem)
