"""The record of what each run did, and up to when the service's deletions have been carried out here."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from mailer.storage.tables import installation, runs


@dataclass(frozen=True)
class Run:
    """One run. ``outcomes`` counts by name; ``problem`` is empty where all went well."""

    kind: str
    started_at: dt.datetime
    ended_at: dt.datetime
    outcomes: dict[str, int]
    problem: str


def add(connection: Connection, run: Run) -> None:
    """Adds to the record."""
    connection.execute(insert(runs), vars(run))


def newest(connection: Connection, kind: str, limit: int) -> list[Run]:
    """The last runs of a kind, newest first."""
    columns = (runs.c.kind, runs.c.started_at, runs.c.ended_at, runs.c.outcomes, runs.c.problem)
    statement = select(*columns).where(runs.c.kind == kind).order_by(runs.c.sequence.desc()).limit(limit)
    return [Run(*row) for row in connection.execute(statement)]


def deleted_users_read_until(connection: Connection) -> dt.datetime | None:
    """None before the first time."""
    row = connection.execute(select(installation.c.deleted_users_read_until)).one()
    found: dt.datetime | None = row[0]
    return found


def set_deleted_users_read_until(connection: Connection, time: dt.datetime) -> None:
    """Everybody deleted before this time is gone here too."""
    connection.execute(update(installation).values(deleted_users_read_until=time))
