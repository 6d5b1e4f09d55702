"""Where a job's output grows until it is whole: a folder beside the one asked for, which takes its name at the end.

It holds the plan (the job and its partitions), the candidates as they were at the start, and the partitions done, each
with the plan's name in it. So a job that was killed goes on where it was, with the same candidates, the same time and
the same cuts, and takes no other job's partitions for its own. Never two runs at a time: a lock that dies with its
process sees to that.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batch.errors import InputUnusable, OutputUnusable
from batch.job import Job
from batch.parquet import facts_of, opened, part_files, part_name
from batch.population import Partition

PLAN_NAME = "_plan.json"
CANDIDATES_NAME = "_candidates.parquet"
LOCK_NAME = "_lock"
MANIFEST_NAME = "_manifest.json"
"""Names that begin with an underscore are no part of a data set to those who read folders of Parquet files."""
_OF_DIGEST = ("digest_version", "pending_paper_count")
COUNTS = ("user_count", "item_count", "empty_count")
LOCK_TRIES = 100


@dataclass(frozen=True)
class Plan:
    """A job, cut into partitions.

    Attributes:
        name: No other plan has it, not even one of the same job.
        digest_version: When the candidates were read; 0 from an export, which knows none.
        pending_paper_count: Candidates without a vector.
    """

    name: str
    job: Job
    partitions: tuple[Partition, ...]
    digest_version: int
    pending_paper_count: int

    @property
    def facts(self) -> dict[str, str]:
        """By which a partition's file tells whose it is."""
        return {"paperfeed.plan": self.name}

    @property
    def user_count(self) -> int:
        """Users when the population was cut."""
        return sum(partition.user_count for partition in self.partitions)


class Workspace:
    """One job's folder, while the lock is held."""

    def __init__(self, out: Path, folder: Path) -> None:
        self.out = out
        self.folder = folder

    def find_plan(self) -> Plan | None:
        """The plan of a run that was broken off; None where there is none."""
        try:
            found = json.loads((self.folder / PLAN_NAME).read_text(encoding="utf-8"))
            partitions = tuple(Partition(**each) for each in found["partitions"])
            of_digest = (int(found[name]) for name in _OF_DIGEST)
            return Plan(str(found["name"]), Job.from_json(found["job"]), partitions, *of_digest)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"cannot be read ({error}); remove the folder to begin anew"
            raise OutputUnusable(self.folder / PLAN_NAME, problem) from error

    def begin(self, plan: Plan, candidates: bytes) -> None:
        """Keeps the plan and the candidates; the plan last, so that with it all is there."""
        for path in part_files(self.folder):
            # Of a plan that is gone: the output would have them too, if this one has fewer partitions.
            path.unlink()
        write_file(self.folder / CANDIDATES_NAME, candidates)
        row = asdict(plan) | {"job": plan.job.to_json()}
        write_file(self.folder / PLAN_NAME, json.dumps(row).encode())

    def candidates(self) -> bytes:
        """The candidates that the plan was made with."""
        path = self.folder / CANDIDATES_NAME
        try:
            with opened(path) as file:
                file.read()
            return path.read_bytes()
        except InputUnusable as error:
            raise OutputUnusable(path, f"{error.problem}; remove the folder to begin anew") from error

    def done(self, plan: Plan, partition: Partition) -> dict[str, int] | None:
        """The counts of a partition of the plan that is on the disk; None where it is not."""
        facts = facts_of(self.folder / partition.file_name)
        return None if facts is None or not plan.facts.items() <= facts.items() else _counts_in(facts)

    def finish(self, plan: Plan, counts: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Gives the output its name; what it says of itself."""
        totals = {name: sum(each[name] for each in counts) for name in COUNTS}
        of_digest = {name: getattr(plan, name) for name in _OF_DIGEST}
        manifest = {"job": plan.job.to_json(), **totals, "partition_count": len(plan.partitions), **of_digest}
        write_file(self.folder / MANIFEST_NAME, (json.dumps(manifest, indent=2) + "\n").encode())
        self.take_name()
        return manifest

    def take_name(self) -> None:
        """Gives the folder its name.

        Raises:
            OutputUnusable: It cannot be done; all of it is still there, for the same command to try again.
        """
        try:
            self.folder.rename(self.out)
            _sync(self.out.parent)
            # Not before: another run could take a folder without a lock, and go on in one that has its name; and one
            # without its plan could not be gone on with.
            for name in (CANDIDATES_NAME, PLAN_NAME, LOCK_NAME):
                (self.out / name).unlink(missing_ok=True)
        except OSError as error:
            problem = f"{self.folder}, which is whole, cannot take this name ({error.strerror})"
            raise OutputUnusable(self.out, f"{problem}: the same command tries it again") from error


@contextlib.contextmanager
def opened_workspace(out: Path) -> Iterator[Workspace]:
    """The folder in which the output grows, held by this process alone.

    Raises:
        OutputUnusable: Another run holds it, or nothing can be written there.
    """
    folder = out.absolute().with_name(f".{out.name}.partial")
    lock = _locked(out, folder)
    try:
        yield Workspace(out.absolute(), folder)
    finally:
        _remove_unused(folder, lock)
        os.close(lock)


def _locked(out: Path, folder: Path) -> int:
    """The folder's lock file, open and held by this process; makes both where they are not there."""
    problem: OSError | None = None
    for _ in range(LOCK_TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (lock := _try_lock(folder / LOCK_NAME)) is not None:
                return lock
        except BlockingIOError as error:
            raise OutputUnusable(out, "another run is writing it") from error
        except OSError as error:
            # Perhaps its last run ends just now, and removes what was just made.
            problem = error
    told = problem.strerror if problem else "other runs come and go"
    raise OutputUnusable(out, f"nothing can be written beside it ({told})") from problem


def _try_lock(path: Path) -> int | None:
    """The lock file, open and held; None where it was removed before it could be held."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    if not _is_at(path, lock):
        os.close(lock)
        return None
    return lock


def _is_at(path: Path, file: int) -> bool:
    """Whether the open file still has this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _remove_unused(folder: Path, lock: int) -> None:
    """Removes the folder of a run that ended before it had a plan.

    Args:
        lock: Held by this process. Once the output has its name, another run may have begun in a new folder.
    """
    with contextlib.suppress(OSError):
        if _is_at(folder / LOCK_NAME, lock) and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()
            folder.rmdir()


def place_of(out: Path) -> Path:
    """Where the output will lie: no link, as no folder can take the name of one.

    Raises:
        OutputUnusable: The link leads nowhere, or what is there cannot be looked at.
    """
    try:
        if out.is_symlink() and not out.exists():
            raise OutputUnusable(out, "is a link that leads nowhere")
        return out.resolve()
    except (OSError, RuntimeError) as error:
        raise OutputUnusable(out, f"cannot be looked at ({error})") from error


def find_manifest(out: Path) -> dict[str, Any] | None:
    """What a finished output says of itself; None where there is nothing at all.

    Raises:
        OutputUnusable: There is something else, a folder that no other can take the place of, or an output that is not
            whole any more.
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
        raise OutputUnusable(out, "exists already, and is no output of this command") from error
    raise OutputUnusable(out, "exists already, and is no output of this command")


def _check_parts(out: Path, manifest: Mapping[str, Any]) -> None:
    """Raises OutputUnusable where a partition is missing, damaged or another job's."""
    expected = [out / part_name(number) for number in range(manifest["partition_count"])]
    if strays := sorted(set(part_files(out)) - set(expected)):
        raise OutputUnusable(strays[0], "is no part of this output: remove it")
    totals = dict.fromkeys(COUNTS, 0)
    for path in expected:
        counts = _counts_in(facts_of(path) or {})
        if counts is None:
            problem = "is missing" if not path.exists() else "is damaged, or no part of this output"
            raise OutputUnusable(path, f"{problem}: remove the folder to make it anew")
        totals = {name: totals[name] + counts[name] for name in COUNTS}
    if any(totals[name] != manifest[name] for name in COUNTS):
        raise OutputUnusable(out, "holds parts of different outputs: remove the folder to make it anew")


def _counts_in(facts: Mapping[str, str]) -> dict[str, int] | None:
    """The counts that a partition's file tells of itself; None where it does not."""
    try:
        return {name: int(facts[f"paperfeed.{name}"]) for name in COUNTS}
    except (KeyError, ValueError):
        return None


@contextlib.contextmanager
def without_empty_parents(out: Path) -> Iterator[None]:
    """Sees to it that folders above the output do not outlive a failure that leaves nothing in them."""
    missing = [folder for folder in out.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def discard(workspace: Workspace) -> None:
    """Forgets what was done."""
    for path in workspace.folder.iterdir():
        if path.name != LOCK_NAME:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_file(path: Path, data: bytes) -> None:
    """Writes a file that takes its name when all of it is on the disk.

    Raises:
        OutputUnusable: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputUnusable(path, f"cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
