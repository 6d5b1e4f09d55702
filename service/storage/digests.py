"""Digests in the database. A digest's version changes with its candidate papers, so that caches notice it."""

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, or_, select, update

from database.statements import chunks, from_row, put_rows, rows_in, to_row
from service.domain.papers import Digest, UpsertOutcome
from service.storage.changes import lock_catalogue, lock_papers
from service.storage.tables import digest_papers, digests

_NEWEST_FIRST = (digests.c.date.desc(), digests.c.created_at.desc(), digests.c.digest_id.desc())
_VERSION = select(digests.c.digest_id, digests.c.version, digests.c.date)
VERSION_OF_ONE = _VERSION.where(digests.c.digest_id == bindparam("digest_id"))
VERSION_OF_NEWEST = _VERSION.order_by(*_NEWEST_FIRST).limit(1)
_PAPER_COUNT = (
    select(func.count()).where(digest_papers.c.digest_id == digests.c.digest_id).scalar_subquery().label("paper_count")
)


class SqlDigests:
    """``service.app.ports.DigestStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, digest: Digest, now: dt.datetime) -> tuple[Digest, UpsertOutcome]:
        lock_catalogue(self._connection)
        stored = self.find(digest.digest_id)
        # The random start keeps caches and precomputed slates of a deleted digest from being taken for this one's.
        version, created_at = (
            (stored.version, stored.created_at) if stored else (secrets.randbits(48), digest.created_at or now)
        )
        saved = replace(digest, version=version, created_at=created_at)
        if saved == stored:
            return stored, UpsertOutcome.UNCHANGED
        lock_papers(self._connection, saved.paper_ids)
        saved = replace(saved, version=version + 1)
        row = to_row(saved)
        del row["paper_ids"]
        put_rows(self._connection, digests, [row])
        self._connection.execute(delete(digest_papers).where(digest_papers.c.digest_id == saved.digest_id))
        rows = [
            {"digest_id": saved.digest_id, "position": position, "paper_id": paper_id}
            for position, paper_id in enumerate(saved.paper_ids)
        ]
        put_rows(self._connection, digest_papers, rows)
        return saved, UpsertOutcome.UPDATED if stored else UpsertOutcome.CREATED

    def delete(self, digest_id: str) -> bool:
        lock_catalogue(self._connection)
        deleted = delete(digests).where(digests.c.digest_id == digest_id).returning(digests.c.digest_id)
        return self._connection.execute(deleted).first() is not None

    def find(self, digest_id: str) -> Digest | None:
        return self._find(select(digests).where(digests.c.digest_id == digest_id))

    def find_newest(self) -> Digest | None:
        return self._find(select(digests).order_by(*_NEWEST_FIRST).limit(1))

    def page(self, *, after: tuple[dt.date, str] | None, limit: int) -> list[tuple[Digest, int]]:
        statement = select(digests, _PAPER_COUNT).order_by(digests.c.date.desc(), digests.c.digest_id).limit(limit)
        if after is not None:
            date, digest_id = after
            same_day = and_(digests.c.date == date, digests.c.digest_id > digest_id)
            statement = statement.where(or_(digests.c.date < date, same_day))
        return [(from_row(Digest, row, paper_ids=()), row.paper_count) for row in self._connection.execute(statement)]

    def _find(self, statement: Select[Any]) -> Digest | None:
        row = self._connection.execute(statement).first()
        if row is None:
            return None
        in_order = (
            select(digest_papers.c.paper_id)
            .where(digest_papers.c.digest_id == row.digest_id)
            .order_by(digest_papers.c.position)
        )
        return from_row(Digest, row, paper_ids=tuple(self._connection.scalars(in_order)))


def touch_digests(connection: Connection, paper_ids: Sequence[str]) -> None:
    """Give a new version to every digest that holds one of the papers. Needs ``lock_catalogue``."""
    holders = rows_in(connection, select(digest_papers.c.digest_id).distinct(), digest_papers.c.paper_id, paper_ids)
    digest_ids = sorted({row.digest_id for row in holders})
    for chunk in chunks(digest_ids):
        connection.execute(update(digests).where(digests.c.digest_id.in_(chunk)).values(version=digests.c.version + 1))
