"""The output of a re-rank: one file for each partition, and a manifest that says what the job was and what it wrote."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from batch.errors import OutputUnusable
from batch.parquet import facts_of, part_files, part_name
from batch.rerank.job import Job
from batch.rerank.plan import CANDIDATES_NAME, PLAN_NAME, STATISTICS_NAME, Plan
from batch.rerank.population import Partition
from batch.workspace import Workspace, write_file

MANIFEST_NAME = "_manifest.json"
COUNTS = ("user_count", "item_count", "empty_count")
"""Counts that each partition's file has in its metadata and the manifest has in total."""
_OF_DIGEST = ("digest_version", "pending_paper_count")
_UNKNOWN = "exists already, and is no output of this command"


def count_facts(users: int, items: int, empty: int) -> dict[str, str]:
    """Return the counts of a partition as metadata of its file."""
    return {f"paperfeed.{name}": str(count) for name, count in zip(COUNTS, (users, items, empty), strict=True)}


def counts_of(folder: Path, plan: Plan, partition: Partition) -> dict[str, int] | None:
    """Return the counts of a finished partition; None if its file is missing, incomplete or another plan's."""
    facts = facts_of(folder / partition.file_name)
    return None if facts is None or not plan.facts.items() <= facts.items() else _counts_in(facts)


def finish(workspace: Workspace, plan: Plan, counts: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """Write the manifest, give the folder the output's name, and return the manifest.

    Raises:
        OutputUnusable: The manifest cannot be written, or the folder cannot be renamed.
    """
    totals = {name: sum(each[name] for each in counts) for name in COUNTS}
    of_digest = {name: getattr(plan, name) for name in _OF_DIGEST}
    manifest = {"job": plan.job.to_json(), **totals, "partition_count": len(plan.partitions), **of_digest}
    write_file(workspace.folder / MANIFEST_NAME, (json.dumps(manifest, indent=2) + "\n").encode())
    workspace.take_name(CANDIDATES_NAME, STATISTICS_NAME, PLAN_NAME)
    return manifest


def find_manifest(out: Path) -> dict[str, Any] | None:
    """Return the manifest of a finished output; None if there is nothing, or an empty folder that can be replaced.

    Raises:
        OutputUnusable: The folder holds something else or an incomplete output, or cannot be replaced.
    """
    try:
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            if out.is_mount() or out == Path.cwd():
                raise OutputUnusable(out, "is where a disk is mounted or this command runs: name a folder in it")
            return None
        found: dict[str, Any] = json.loads((out / MANIFEST_NAME).read_text(encoding="utf-8"))
        Job.from_json(found["job"])
        if all(isinstance(found[name], int) for name in (*COUNTS, *_OF_DIGEST, "partition_count")):
            _check_parts(out, found)
            return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputUnusable(out, _UNKNOWN) from error
    raise OutputUnusable(out, _UNKNOWN)


def _check_parts(out: Path, manifest: Mapping[str, Any]) -> None:
    """Raise OutputUnusable if a partition's file is missing, damaged or another job's."""
    expected = [out / part_name(number) for number in range(manifest["partition_count"])]
    if strays := sorted(set(part_files(out)) - set(expected)):
        raise OutputUnusable(strays[0], "is no part of this output: remove it")
    totals = dict.fromkeys(COUNTS, 0)
    for path in expected:
        counts = _counts_in(facts_of(path) or {})
        if counts is None:
            problem = "is missing" if not path.exists() else "is damaged, or no part of this output"
            raise OutputUnusable(path, f"{problem}: remove the folder and run the command again")
        totals = {name: totals[name] + counts[name] for name in COUNTS}
    if any(totals[name] != manifest[name] for name in COUNTS):
        raise OutputUnusable(out, "holds parts of different outputs: remove the folder and run the command again")


def _counts_in(facts: Mapping[str, str]) -> dict[str, int] | None:
    """Return the counts in a file's metadata; None if it has none."""
    try:
        return {name: int(facts[f"paperfeed.{name}"]) for name in COUNTS}
    except (KeyError, ValueError):
        return None
