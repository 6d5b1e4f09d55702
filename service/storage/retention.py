"""Deletion of old events and slates, in many short transactions so that feeds are served meanwhile."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, select, tuple_, update

from service.domain.events import EventType
from service.domain.states import DECIDING_EVENTS, HEATING_EVENTS
from service.storage.changes import lock_signals, log_signals
from service.storage.store import SqlStore
from service.storage.tables import audit_log, events, precomputed_slates, slates

_BATCH_SIZE = 500
_PRUNED_EVENTS = tuple(event_type for event_type in EventType if event_type not in DECIDING_EVENTS)


@dataclass(frozen=True, slots=True)
class Pruned:
    """Numbers of deleted rows; ``features`` counts slates that lost only their features."""

    events: int
    slates: int
    features: int
    audit: int = 0


def prune(
    store: SqlStore,
    now: dt.datetime,
    *,
    events_days: int | None = None,
    slates_days: int | None = None,
    features_days: int | None = None,
    audit_days: int | None = None,
) -> Pruned:
    """Delete events, slates, features and audit entries that are older than the given days; None keeps them all.

    The function may be interrupted and repeated.

    Args:
        events_days: Days since impressions and clicks were recorded. Events that decide what a user likes or was sent
            stay until the user or the paper is deleted.
        slates_days: Days since served and precomputed slates were made.
        features_days: Days since slates were made that lose their features (most of their size) and keep their items.
    """

    def pruned(part: Callable[[SqlStore, dt.datetime], int], days: int | None) -> int:
        return 0 if days is None else part(store, now - dt.timedelta(days=days))

    return Pruned(
        events=pruned(_prune_events, events_days),
        slates=pruned(_prune_slates, slates_days),
        features=pruned(_prune_features, features_days),
        audit=pruned(_prune_audit, audit_days),
    )


def _prune_events(store: SqlStore, before: dt.datetime) -> int:
    is_old = and_(events.c.event_type.in_(_PRUNED_EVENTS), events.c.recorded_at < before)
    batch = select(events.c.sequence).where(is_old).limit(_BATCH_SIZE)

    def delete_batch(connection: Connection) -> int:
        gone = delete(events).where(events.c.sequence.in_(batch)).returning(events.c.paper_id, events.c.event_type)
        rows = connection.execute(gone).all()
        lock_signals(connection)
        log_signals(connection, [row.paper_id for row in rows if row.event_type in HEATING_EVENTS])
        return len(rows)

    return _repeat(store, delete_batch)


def _prune_slates(store: SqlStore, before: dt.datetime) -> int:
    batch = select(slates.c.slate_id).where(slates.c.created_at < before).limit(_BATCH_SIZE)
    key = tuple_(precomputed_slates.c.user_id, precomputed_slates.c.digest_id)
    precomputed = select(precomputed_slates.c.user_id, precomputed_slates.c.digest_id).where(
        precomputed_slates.c.as_of < before
    )
    return sum(
        _repeat(store, lambda connection, old=old: connection.execute(old).rowcount)  # type: ignore[misc]
        for old in (
            delete(slates).where(slates.c.slate_id.in_(batch)),
            delete(precomputed_slates).where(key.in_(precomputed.limit(_BATCH_SIZE))),
        )
    )


def _prune_audit(store: SqlStore, before: dt.datetime) -> int:
    batch = select(audit_log.c.sequence).where(audit_log.c.recorded_at < before).limit(_BATCH_SIZE)
    old = delete(audit_log).where(audit_log.c.sequence.in_(batch))
    return _repeat(store, lambda connection: connection.execute(old).rowcount)


def _repeat(store: SqlStore, delete_batch: Callable[[Connection], int]) -> int:
    total = 0
    while True:
        with store.connection() as connection:
            count = delete_batch(connection)
        total += count
        if count < _BATCH_SIZE:
            return total


def _prune_features(store: SqlStore, before: dt.datetime) -> int:
    total = 0
    created_at, slate_id = slates.c.created_at, slates.c.slate_id
    batch = select(created_at, slate_id).where(created_at < before).order_by(created_at, slate_id).limit(_BATCH_SIZE)
    page = batch
    while True:
        with store.connection() as connection:
            rows = connection.execute(page).all()
            chosen = slates.c.slate_id.in_([row.slate_id for row in rows])
            has_features = func.length(slates.c.features) > 0
            total += connection.execute(update(slates).where(chosen, has_features).values(features=b"")).rowcount
        if len(rows) < _BATCH_SIZE:
            return total
        last = rows[-1]
        page = batch.where(tuple_(created_at, slate_id) > (last.created_at, last.slate_id))
