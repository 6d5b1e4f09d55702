"""The record of what each run did."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from mailer.storage.tables import runs

SEND = "send"
"""Kind of the runs that make and send issues."""
FETCH = "fetch"
"""Kind of the runs that fetch papers. They are recorded at their start too."""


@dataclass(frozen=True)
class Run:
    """One run. ``outcomes`` holds counts by name; ``problem`` is empty if the run succeeded."""

    kind: str
    started_at: dt.datetime
    ended_at: dt.datetime
    outcomes: dict[str, int]
    problem: str


def add(connection: Connection, run: Run) -> None:
    """Add a run to the record."""
    connection.execute(insert(runs), vars(run))


def newest(connection: Connection, kind: str, limit: int) -> list[Run]:
    """Return the last runs of a kind, newest first."""
    columns = (runs.c.kind, runs.c.started_at, runs.c.ended_at, runs.c.outcomes, runs.c.problem)
    statement = select(*columns).where(runs.c.kind == kind).order_by(runs.c.sequence.desc()).limit(limit)
    return [Run(*row) for row in connection.execute(statement)]


def outcomes_after(connection: Connection, kind: str, sequence: int) -> list[tuple[int, dict[str, int]]]:
    """Return (sequence, outcomes) of the runs of a kind that were added after ``sequence``, oldest first."""
    columns = select(runs.c.sequence, runs.c.outcomes).where(runs.c.kind == kind, runs.c.sequence > sequence)
    return [(number, outcomes) for number, outcomes in connection.execute(columns.order_by(runs.c.sequence))]
