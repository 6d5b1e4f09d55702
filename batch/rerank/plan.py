"""The plan of a re-rank: the job, its partitions, its candidate papers and its statistics of the catalog.

The plan is kept in the folder where the output grows, and a resumed run takes all four from it. Each partition's file
names its plan, so that no job takes another job's partitions for its own.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from batch.errors import InputUnusable, OutputUnusable
from batch.parquet import opened, part_files
from batch.rerank.job import Job
from batch.rerank.population import Partition
from batch.workspace import write_file
from ranker.errors import InputError
from ranker.spaces.statistics import CorpusStatistics

PLAN_NAME = "_plan.json"
CANDIDATES_NAME = "_candidates.parquet"
STATISTICS_NAME = "_statistics.npz"


@dataclass(frozen=True)
class Plan:
    """A job cut into partitions.

    Attributes:
        name: Unique, even among plans of one job.
        digest_version: The digest's version when the candidates were read; 0 from an export, which has none.
        pending_paper_count: Number of candidates without a vector.
    """

    name: str
    job: Job
    partitions: tuple[Partition, ...]
    digest_version: int
    pending_paper_count: int

    @property
    def facts(self) -> dict[str, str]:
        """Metadata by which a partition's file names its plan."""
        return {"paperfeed.plan": self.name}

    @property
    def user_count(self) -> int:
        """Number of users when the population was cut."""
        return sum(partition.user_count for partition in self.partitions)


def find_plan(folder: Path) -> Plan | None:
    """Return the plan of an interrupted run; None if the folder has none.

    Raises:
        OutputUnusable: The plan's file cannot be read.
    """
    try:
        found = json.loads((folder / PLAN_NAME).read_text(encoding="utf-8"))
        partitions = tuple(Partition(**each) for each in found["partitions"])
        counts = int(found["digest_version"]), int(found["pending_paper_count"])
        return Plan(str(found["name"]), Job.from_json(found["job"]), partitions, *counts)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"cannot be read ({error}); remove the folder to start again"
        raise OutputUnusable(folder / PLAN_NAME, problem) from error


def keep_plan(folder: Path, plan: Plan, candidates: bytes, statistics: bytes) -> None:
    """Write the candidates, the statistics and the plan; the plan last, so that a folder with a plan is complete.

    Raises:
        OutputUnusable: A file cannot be written.
    """
    for path in part_files(folder):
        # Partitions of a lost plan: if this plan has fewer, they would become part of its output.
        path.unlink()
    write_file(folder / CANDIDATES_NAME, candidates)
    write_file(folder / STATISTICS_NAME, statistics)
    row = asdict(plan) | {"job": plan.job.to_json()}
    write_file(folder / PLAN_NAME, json.dumps(row).encode())


def read_statistics(folder: Path, job: Job) -> bytes:
    """Return the statistics of the catalog of the plan's job; nothing for version 0.

    Raises:
        OutputUnusable: The file is missing or damaged.
    """
    if not job.statistics_version:
        return b""
    path = folder / STATISTICS_NAME
    try:
        data = path.read_bytes()
        CorpusStatistics.of_bytes(data)
    except (OSError, InputError) as error:
        raise OutputUnusable(path, f"cannot be read ({error}); remove the folder to start again") from error
    return data


def read_candidates(folder: Path) -> bytes:
    """Return the Parquet file of the plan's candidates.

    Raises:
        OutputUnusable: The file is missing or damaged.
    """
    path = folder / CANDIDATES_NAME
    try:
        with opened(path) as file:
            file.read()
        return path.read_bytes()
    except InputUnusable as error:
        raise OutputUnusable(path, f"{error.problem}; remove the folder to start again") from error
