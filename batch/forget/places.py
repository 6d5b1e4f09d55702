"""Finding a user's rows in files: in exports, in re-ranked slates, and in what interrupted jobs left behind.

Two kinds of files cannot be searched, and are reported as such: the feature rows of a training on a cluster, which have
no user ids, and the temporary files of killed writers.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from batch.errors import InputUnusable
from batch.export.paper_table import EVENT_USERS
from batch.export.source import MANIFEST_NAME, PENDING_NAME
from batch.parquet import opened
from batch.rerank.plan import PLAN_NAME
from batch.workspace import TRAINING_NAME
from service.app.ranking.signals import user_code
from service.domain.events import user_id_hash

USER_ID = "user_id"


class Kind(StrEnum):
    """What a folder holds."""

    EXPORT = "export"
    SLATES = "re-ranked slates"
    UNFINISHED = "unfinished job"
    TRAINING_ROWS = "unfinished training"
    OTHER = "other files"


@dataclass(frozen=True)
class Place:
    """A folder that holds rows of the user, lacks the last step of their removal, or cannot be searched.

    Attributes:
        rows: Number of the user's rows by file; in a table of papers, of the user's events in its lists.
        problem: Why rows may stay there, and what to do; empty if ``batch.forget.removal`` can remove all of them.
    """

    folder: Path
    kind: Kind
    rows: Mapping[Path, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by table."""
        found: dict[str, int] = {}
        for path, count in self.rows.items():
            table = "slates" if path.parent == self.folder else path.parent.name
            found[table] = found.get(table, 0) + count
        return found


def find_places(root: Path, user_id: str) -> Iterator[Place]:
    """Yield the folders at or below ``root`` that matter for the user, in order of their paths.

    Links to folders are not followed.
    """
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders.sort()
        if folder.name.endswith(".partial"):
            folders.clear()
            place = _unfinished(folder, user_id)
        elif MANIFEST_NAME in files:
            folders.clear()
            place = _finished(folder, user_id)
        else:
            place = _searched(folder, Kind.OTHER, sorted(folder / each for each in files), user_id)
            if place.rows and not place.problem:
                problem = "are no output of paperfeed: remove the rows or the files"
                place = Place(folder, Kind.OTHER, place.rows, problem)
        if place.rows or place.problem or is_pending(folder, user_id):
            yield place


def _finished(folder: Path, user_id: str) -> Place:
    """Return what a finished output holds."""
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        kind = Kind.EXPORT if "row_counts" in manifest else Kind.SLATES if "job" in manifest else Kind.OTHER
    except (OSError, ValueError, TypeError) as error:
        return Place(folder, Kind.OTHER, problem=f"has a manifest that cannot be read ({error}): remove the folder")
    place = _searched(folder, kind, sorted(folder.rglob("*")), user_id)
    if place.problem:
        return place
    if kind is Kind.OTHER and place.rows:
        return Place(folder, kind, place.rows, "is no output of paperfeed: remove the rows or the folder")
    if (folder / PENDING_NAME).exists() and not is_pending(folder, user_id):
        problem = "the removal of another user was interrupted: run the command for that user again, then this one"
        return Place(folder, kind, place.rows, problem)
    return place


def is_pending(folder: Path, user_id: str) -> bool:
    """Return whether a removal of this user in the folder was interrupted."""
    try:
        pending = json.loads((folder / PENDING_NAME).read_text(encoding="utf-8"))
        return bool(pending["user_id_hash"] == user_id_hash(user_id))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _unfinished(folder: Path, user_id: str) -> Place:
    """Return what the folder of a running or interrupted job holds."""
    if (folder / TRAINING_NAME).exists():
        problem = "holds feature rows without user ids: finish the training, or remove the folder"
        return Place(folder, Kind.TRAINING_ROWS, problem=problem)
    place = _searched(folder, Kind.UNFINISHED, sorted(folder.rglob("*")), user_id)
    if place.problem or not (place.rows or _is_bound(folder, user_id)):
        return place
    problem = "belongs to a job that runs or was interrupted: finish the job and repeat this, or remove the folder"
    return Place(folder, Kind.UNFINISHED, place.rows, problem)


def _is_bound(folder: Path, user_id: str) -> bool:
    """Return whether the plan of a re-rank names the user as the last one of a partition."""
    try:
        partitions = json.loads((folder / PLAN_NAME).read_text(encoding="utf-8"))["partitions"]
        return any(user_id in {each["after"], each["until"]} for each in partitions)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _searched(folder: Path, kind: Kind, files: list[Path], user_id: str) -> Place:
    """Return the rows in these files; other files than Parquet are not read."""
    rows, problems = {}, []
    for path in files:
        if path.name.startswith(".") and path.suffix == ".tmp":
            problems.append(f"{path.name} is what a killed writer left, and cannot be searched: remove it")
        elif path.suffix == ".parquet" and path.is_file():
            try:
                if count := count_rows(path, user_id):
                    rows[path] = count
                    if path.is_symlink():
                        problems.append(f"{path.name} is a link: remove the rows or the file where it leads")
            except InputUnusable as error:
                problems.append(f"{error}: remove it")
    return Place(folder, kind, rows, "; ".join(problems))


def count_rows(path: Path, user_id: str) -> int:
    """Return the number of the user's rows in a file; in a table of papers, of the user's events in its lists.

    Raises:
        InputUnusable: The file cannot be read or is damaged.
    """
    with opened(path) as file:
        schema = file.schema_arrow
        if USER_ID in schema.names and pa.types.is_string(schema.field(USER_ID).type):
            wanted, name = pa.scalar(user_id), USER_ID
        elif EVENT_USERS in schema.names:
            wanted, name = pa.scalar(user_code(user_id), pa.int64()), EVENT_USERS
        else:
            return 0
        columns = (file.read_row_group(number, columns=[name]).column(0) for number in range(file.num_row_groups))
        values = (pc.list_flatten(column) if name == EVENT_USERS else column for column in columns)
        return sum(pc.sum(pc.equal(each, wanted)).as_py() or 0 for each in values)
