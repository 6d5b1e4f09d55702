"""Signals of trends in the database: upvote snapshots, and events of users."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, ScalarSelect, Text, bindparam, cast, func, select

from database.statements import rows_in
from service.domain.states import HEATING_EVENTS, Activity, HeatingEvent
from service.storage.tables import events, paper_signals, signal_changes

MARK: tuple[ScalarSelect[int], ScalarSelect[int]] = (
    select(func.coalesce(func.max(signal_changes.c.version), 0)).scalar_subquery(),
    select(func.coalesce(func.max(events.c.sequence), 0)).scalar_subquery(),
)
"""The newest version of a signal and the newest event's number."""

_CHANGED = select(signal_changes.c.paper_id).where(signal_changes.c.version > bindparam("version"))
_EVENTS = select(events.c.paper_id, events.c.user_id, events.c.event_type, events.c.occurred_at).where(
    events.c.occurred_at.is_not(None)
)
_HEATING = _EVENTS.where(events.c.event_type.in_(HEATING_EVENTS))
# An expression, or SQLite would choose the index over types and read all likes of all time.
_TYPE = cast(events.c.event_type, Text).concat("")
_NEW_EVENTS = (
    _EVENTS.where(events.c.sequence > bindparam("sequence"), _TYPE.in_([kind.value for kind in HEATING_EVENTS]))
    .order_by(events.c.sequence)
    .limit(bindparam("limit"))
)


class SqlSignals:
    """``service.app.ports.SignalStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def changed_since(self, version: int) -> list[str]:
        return list(self._connection.scalars(_CHANGED, {"version": version}))

    def events_since(self, sequence: int, *, limit: int) -> list[tuple[str, HeatingEvent]]:
        rows = self._connection.execute(_NEW_EVENTS, {"sequence": sequence, "limit": limit})
        return [(paper_id, (user_id, kind, at)) for paper_id, user_id, kind, at in rows]

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Activity]:
        snapshots: dict[str, list[tuple[dt.datetime, int]]] = defaultdict(list)
        for row in rows_in(self._connection, select(paper_signals), paper_signals.c.paper_id, paper_ids):
            snapshots[row.paper_id].append((row.seen_at, row.upvotes))
        heating: dict[str, list[HeatingEvent]] = defaultdict(list)
        in_order = _HEATING.order_by(events.c.sequence)
        for row in rows_in(self._connection, in_order, events.c.paper_id, paper_ids):
            heating[row.paper_id].append((row.user_id, row.event_type, row.occurred_at))
        return {
            paper_id: Activity(tuple(snapshots.get(paper_id, ())), tuple(heating.get(paper_id, ())))
            for paper_id in {*snapshots, *heating}
        }
