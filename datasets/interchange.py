"""Readers of the interchange formats: papers as JSON Lines, events as CSV, either of them gzipped."""

import csv
import datetime as dt
import gzip
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ranker.papers import PaperColumns, paper_columns
from ranker.types import Float32Array
from training.data.reactions import GRADED_EVENTS, OTHER_EVENTS, Event, Reactions, reactions_of
from training.data.snapshot import Dataset
from training.errors import SnapshotError, TrainingError

_EVENT_COLUMNS = ("user_id", "paper_id", "event", "occurred_at")


@dataclass(frozen=True)
class _Event:
    user_id: str
    paper_id: str
    event: str
    occurred_at: float


def read_dataset(name: str, papers_file: Path, events_file: Path, vectors: Mapping[str, Float32Array]) -> Dataset:
    """A data set from its two files.

    Args:
        vectors: Paper id to vector; papers without one count as pending.

    Raises:
        SnapshotError: Names the file, line and problem.
    """
    papers = read_papers(papers_file, vectors)
    found = read_reactions(events_file, papers)
    return Dataset(name=name, papers=papers, likes=found.likes, clicks=found.clicks, dislikes=found.dislikes)


def read_papers(file: Path, vectors: Mapping[str, Float32Array]) -> PaperColumns:
    """Papers in the order of the file.

    Raises:
        SnapshotError: Not JSON Lines, no paper_id or title, a date that is none, an id twice.
        TrainingError: No vectors at all, so that their length is unknown.
    """
    if not vectors:
        raise TrainingError(f"{file}: no vectors were given for its papers")
    rows: dict[str, dict[str, Any]] = {}
    published: list[float] = []
    for number, line in _lines(file):
        row = _paper(file, number, line)
        if row["paper_id"] in rows:
            raise SnapshotError(file, number, f"paper_id {row['paper_id']!r} stands twice")
        rows[row["paper_id"]] = row
        published.append(_moment(file, number, "published_at", row.get("published_at")))
    papers = list(rows.values())
    pending = np.full(len(next(iter(vectors.values()))), np.nan, dtype=np.float32)
    stacked = [vectors.get(paper_id, pending) for paper_id in rows]
    return paper_columns(
        list(rows),
        [row["title"] for row in papers],
        np.array(stacked, dtype=np.float32).reshape(len(rows), len(pending)),
        abstracts=[row.get("abstract") or "" for row in papers],
        published_at=np.array(published, dtype=np.float64),
        upvotes=np.array(
            [np.nan if row.get("upvotes") is None else row["upvotes"] for row in papers], dtype=np.float64
        ),
        categories=[row.get("categories") or () for row in papers],
        authors=[row.get("authors") or () for row in papers],
    )


def read_reactions(file: Path, papers: PaperColumns) -> Reactions:
    """What the events leave; events on papers that are not in ``papers`` are passed over.

    Raises:
        SnapshotError: Columns missing, an unknown kind of event, or a time that is none.
    """
    row_of = {paper_id: row for row, paper_id in enumerate(papers.paper_ids)}
    known = (event for event in _events(file) if event.paper_id in row_of)
    return reactions_of(Event(e.user_id, row_of[e.paper_id], e.event, e.occurred_at) for e in known)


def count_events(file: Path, paper_ids: Container[str]) -> tuple[int, int]:
    """All events, and those on papers that are not among ``paper_ids``.

    Raises:
        SnapshotError: As ``read_reactions``; also a file without events, or none of them on one of the papers.
    """
    unknown = [event.paper_id not in paper_ids for event in _events(file)]
    if not unknown:
        raise SnapshotError(file, 1, "no event follows the header")
    if all(unknown):
        raise SnapshotError(file, 2, f"none of the {len(unknown)} events names one of the papers")
    return len(unknown), sum(unknown)


def _events(file: Path) -> Iterator[_Event]:
    with _open(file) as stream:
        user = csv.DictReader(stream)
        missing = [name for name in _EVENT_COLUMNS if name not in (user.fieldnames or ())]
        if missing:
            raise SnapshotError(file, 1, f"the header lacks {', '.join(missing)}")
        for row in user:
            values = [row[name] for name in _EVENT_COLUMNS]
            if None in values:
                raise SnapshotError(file, user.line_num, "has too few columns")
            if row["event"] not in GRADED_EVENTS | OTHER_EVENTS:
                known = ", ".join(sorted(GRADED_EVENTS | OTHER_EVENTS))
                raise SnapshotError(file, user.line_num, f"event {row['event']!r} is none of {known}")
            moment = _moment(file, user.line_num, "occurred_at", row["occurred_at"])
            yield _Event(row["user_id"], row["paper_id"], row["event"], moment)


def _paper(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SnapshotError(file, number, f"is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise SnapshotError(file, number, "is not a JSON object")
    for name in ("paper_id", "title"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise SnapshotError(file, number, f"{name} is missing or empty")
    return row


def _moment(file: Path, number: int, name: str, value: object) -> float:
    """Unix seconds; NaN for an empty value. A time without zone is UTC."""
    if value is None or value == "":
        return float("nan")
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise SnapshotError(file, number, f"{name} {value!r} is not an ISO 8601 date or time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1, and lines that are not blank."""
    with _open(file) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, line


def _open(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")
