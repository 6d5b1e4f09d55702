"""The signal ledger in the database: events of a user, listed and deleted."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, true

from database.statements import chunks, from_row, rows_in
from service.domain.events import Event, EventType
from service.domain.ledger import RecordedEvent
from service.domain.states import HEATING_EVENTS
from service.storage.changes import lock_signals, log_signals
from service.storage.tables import events, interests, preferences, users
from service.storage.users import touch_users


class SqlLedger:
    """``service.app.ports.LedgerStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(
        self, user_id: str, kinds: Collection[EventType], *, before: int | None, limit: int
    ) -> list[RecordedEvent]:
        statement = select(events).where(events.c.user_id == user_id, events.c.event_type.in_(kinds))
        if before is not None:
            statement = statement.where(events.c.sequence < before)
        rows = self._connection.execute(statement.order_by(events.c.sequence.desc()).limit(limit))
        return [_recorded(row) for row in rows]

    def of_papers(
        self, user_id: str, paper_ids: Sequence[str], *, recorded_by: dt.datetime | None = None
    ) -> list[RecordedEvent]:
        in_order = (events.c.occurred_at.asc().nulls_first(), events.c.sequence)
        statement = select(events).where(events.c.user_id == user_id).order_by(*in_order)
        if recorded_by is not None:
            statement = statement.where(events.c.recorded_at <= recorded_by)
        return [_recorded(row) for row in rows_in(self._connection, statement, events.c.paper_id, paper_ids)]

    def delete_events(self, user_id: str, event_ids: Sequence[str], now: dt.datetime) -> int:
        self._lock(user_id)
        gone = [row for chunk in chunks(event_ids) for row in self._delete(user_id, events.c.event_id.in_(chunk))]
        return self._deleted(user_id, gone, now)

    def reset(self, user_id: str, now: dt.datetime) -> int:
        self._lock(user_id)
        had = sum(
            self._connection.execute(delete(table).where(table.c.user_id == user_id)).rowcount
            for table in (preferences, interests)
        )
        return self._deleted(user_id, self._delete(user_id, true()), now, has_changed=had > 0)

    def _lock(self, user_id: str) -> None:
        """Lock the user before the signals, as ``SqlUsers.record`` does; see ``lock_signals``."""
        self._connection.execute(
            select(users.c.user_id).where(users.c.user_id == user_id).with_for_update(key_share=True)
        ).all()
        lock_signals(self._connection)

    def _delete(self, user_id: str, which: ColumnElement[bool]) -> list[Row[Any]]:
        own = delete(events).where(events.c.user_id == user_id, which)
        return list(self._connection.execute(own.returning(events.c.paper_id, events.c.event_type)))

    def _deleted(self, user_id: str, gone: Sequence[Row[Any]], now: dt.datetime, *, has_changed: bool = False) -> int:
        """Tell all caches what changed, and return the number of deleted events."""
        log_signals(self._connection, [row.paper_id for row in gone if row.event_type in HEATING_EVENTS])
        if gone or has_changed:
            touch_users(self._connection, [user_id], now)
        return len(gone)


def _recorded(row: Row[Any]) -> RecordedEvent:
    return RecordedEvent(row.sequence, from_row(Event, row), row.recorded_at)
