"""Versions of the catalog's statistics in the database, and the claims of processes that count them."""

import datetime as dt

from sqlalchemy import Connection, delete, func, select, update

from database.statements import from_row, wait_for_lock
from service.app.ports import StatisticsVersion
from service.storage.tables import catalog_statistics

_LOCK = 70460004
_stored = catalog_statistics.c
_IS_COUNTED = _stored.counted_at.is_not(None)
_FACTS = select(*(column for column in _stored if column.name != "data")).where(_IS_COUNTED)
_NEWEST_OF_EACH = select(func.max(_stored.version)).where(_IS_COUNTED).group_by(_stored.encoder)


class SqlStatistics:
    """``service.app.ports.StatisticsStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counted(self, encoder: str, *, by: dt.datetime | None = None) -> list[StatisticsVersion]:
        statement = _FACTS.where(_stored.encoder == encoder).order_by(_stored.version.desc())
        if by is not None:
            statement = statement.where(_stored.counted_at <= by)
        return [from_row(StatisticsVersion, row) for row in self._connection.execute(statement)]

    def data(self, version: int) -> bytes | None:
        found = self._connection.scalars(select(_stored.data).where(_stored.version == version)).first()
        return None if found is None else bytes(found)

    def claim(
        self, encoder: str, *, after: int, paper_count: int, vector_version: int, now: dt.datetime, lease: dt.timedelta
    ) -> int | None:
        wait_for_lock(self._connection, _LOCK)
        is_void = _stored.claimed_at <= now - lease
        of_encoder = _stored.encoder == encoder
        self._connection.execute(delete(catalog_statistics).where(of_encoder, ~_IS_COUNTED, is_void))
        if self._connection.execute(
            select(_stored.version).where(of_encoder, (_stored.version > after) | ~_IS_COUNTED)
        ).first():
            return None
        row = {
            "encoder": encoder,
            "paper_count": paper_count,
            "vector_version": vector_version,
            "claimed_at": now,
        }
        return int(
            self._connection.execute(catalog_statistics.insert().values(row).returning(_stored.version)).scalar_one()
        )

    def give_up(self, version: int) -> None:
        self._connection.execute(delete(catalog_statistics).where(_stored.version == version, ~_IS_COUNTED))

    def put(self, version: int, data: bytes, *, now: dt.datetime, keep: dt.timedelta) -> bool:
        is_claim = (_stored.version == version) & ~_IS_COUNTED
        counted = self._connection.execute(
            update(catalog_statistics).where(is_claim).values(data=data, counted_at=now).returning(_stored.version)
        )
        if counted.first() is None:
            return False
        is_old = _stored.counted_at < now - keep
        self._connection.execute(delete(catalog_statistics).where(is_old, _stored.version.not_in(_NEWEST_OF_EACH)))
        return True
