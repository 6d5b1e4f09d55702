"""Users in the database: events, preferences, interests and tombstones of deleted users.

A user's version changes with everything that the profile is built from, so that caches notice it.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, and_, bindparam, case, delete, func, select, tuple_, update

from database.statements import chunks, from_row, insert, put_rows, rows_in, to_row
from service.app.ports import Clock
from service.domain.events import (
    DeletedUser,
    Event,
    EventType,
    OtherEvent,
    Preferences,
    Reaction,
    UserState,
    user_id_hash,
)
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests
from service.domain.states import DECIDING_EVENTS, HEATING_EVENTS, LIKING_EVENTS, verdicts
from service.storage.changes import lock_papers, lock_signals, log_signals
from service.storage.tables import deleted_users, events, interests, papers, preferences, slates, users

_VERSION = select(users.c.version).where(users.c.user_id == bindparam("user_id"))
_WITH_PREFERENCES = (
    select(users, *(column for table in (preferences, interests) for column in table.c if column.name != "user_id"))
    .select_from(users)
    .outerjoin(preferences)
    .outerjoin(interests, interests.c.user_id == users.c.user_id)
)
_DECIDING_EVENTS = (
    select(events.c.user_id, events.c.paper_id, events.c.event_type, events.c.occurred_at)
    .where(events.c.event_type.in_(DECIDING_EVENTS))
    .order_by(events.c.user_id, events.c.occurred_at.asc().nulls_first(), events.c.sequence)
)
_LAST_VERSION = (
    select(deleted_users.c.last_version)
    .where(deleted_users.c.user_id_hash == bindparam("user_id_hash"))
    .scalar_subquery()
)
_LIFT_ABOVE_TOMBSTONE = (
    update(users)
    .where(users.c.user_id == bindparam("key"), users.c.version <= _LAST_VERSION)
    .values(version=_LAST_VERSION + 1)
)
_ROWS_AT_A_TIME = 10_000
_Key: TypeAlias = tuple[str, str]
"""The user and the id of an event."""
_PREFERENCE_NAMES = tuple(preference.name for preference in fields(Preferences))


class SqlUsers:
    """``service.app.ports.UserStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, events: Sequence[Event], now: dt.datetime) -> list[bool]:
        """See ``UserStore.record``.

        Raises:
            NotFound: A paper is unknown, or was deleted after the caller resolved it.
            OtherEvent: See ``UserStore.record``.
        """
        if not events:
            return []
        first = _first_places(events)
        lock_papers(self._connection, sorted({event.paper_id for event in events}))
        self._hold_users(sorted({event.user_id for event in events}), now)
        lock_signals(self._connection)
        new = self._insert_events([events[place] for place in first.values()], now)
        self._check_repeats({key: events[place] for key, place in first.items() if key not in new}, first)
        touch_users(self._connection, [user_id for user_id, _ in new], now)
        return [first[_key_of(event)] == place and _key_of(event) in new for place, event in enumerate(events)]

    def version(self, user_id: str) -> int | None:
        return self._connection.execute(_VERSION, {"user_id": user_id}).scalar_one_or_none()

    def find_state(self, user_id: str) -> UserState | None:
        return self.find_states([user_id]).get(user_id)

    def find_states(self, user_ids: Sequence[str], *, recorded_by: dt.datetime | None = None) -> dict[str, UserState]:
        found: dict[str, UserState] = {}
        statement = _DECIDING_EVENTS
        if recorded_by is not None:
            statement = statement.where(events.c.recorded_at <= recorded_by)
        for chunk in chunks(user_ids):
            rows = rows_in(self._connection, statement, events.c.user_id, chunk)
            deciding = {user_id: [row[1:] for row in own] for user_id, own in groupby(rows, itemgetter(0))}
            for user in rows_in(self._connection, _WITH_PREFERENCES, users.c.user_id, chunk):
                found[user.user_id] = _state_of(user, deciding.get(user.user_id, ()))
        return found

    def lock_preferences(self, user_id: str, now: dt.datetime) -> Preferences:
        self._hold_users([user_id], now)
        # A second statement, which sees changes that were committed while the first waited for the lock.
        return _preferences_of(self._connection.execute(_WITH_PREFERENCES.where(users.c.user_id == user_id)).one())

    def save_preferences(self, user_id: str, preferences: Preferences, now: dt.datetime) -> None:
        self._hold_users([user_id], now)
        self._put_preferences(to_row(preferences, user_id=user_id))
        touch_users(self._connection, [user_id], now)

    def save_interests(self, user_id: str, wanted: StoredInterests, now: dt.datetime) -> None:
        self._hold_users([user_id], now)
        row = {
            "user_id": user_id,
            "interests": [to_row(each, origin=each.origin.value) for each in wanted.interests],
            "unsorted_paper_ids": sorted(wanted.unsorted_paper_ids),
        }
        put_rows(self._connection, interests, [row])
        touch_users(self._connection, [user_id], now)

    def page_ids(self, *, after: str, limit: int) -> list[str]:
        statement = select(users.c.user_id).where(users.c.user_id > after).order_by(users.c.user_id).limit(limit)
        return list(self._connection.scalars(statement))

    def event_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        statement = select(events.c.user_id, func.count().label("event_count")).group_by(events.c.user_id)
        rows = rows_in(self._connection, statement, events.c.user_id, user_ids)
        return {row.user_id: row.event_count for row in rows}

    def like_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        count = func.count(events.c.paper_id.distinct()).label("like_count")
        statement = select(events.c.user_id, count).where(events.c.event_type.in_(LIKING_EVENTS))
        rows = rows_in(self._connection, statement.group_by(events.c.user_id), events.c.user_id, user_ids)
        return {row.user_id: row.like_count for row in rows}

    def events(self, user_id: str, *, batch_size: int = 1000) -> Iterator[Event]:
        page = self.events_after(user_id, 0, limit=batch_size)
        while page:
            yield from (event for _, event in page)
            page = self.events_after(user_id, page[-1][0], limit=batch_size)

    def events_after(self, user_id: str, sequence: int, *, limit: int) -> list[tuple[int, Event]]:
        own = and_(events.c.user_id == user_id, events.c.sequence > sequence)
        rows = self._connection.execute(select(events).where(own).order_by(events.c.sequence).limit(limit))
        return [(row.sequence, from_row(Event, row)) for row in rows]

    def delete(self, user_id: str, clock: Clock) -> bool:
        heated = self._heated_papers(user_id)
        # The cascade deletes the events and preferences.
        gone = delete(users).where(users.c.user_id == user_id).returning(users.c.version)
        version = self._connection.execute(gone).scalar_one_or_none()
        slate_count = self._connection.execute(delete(slates).where(slates.c.user_id == user_id)).rowcount
        if version is None and slate_count == 0:
            return False
        lock_signals(self._connection)
        # Deletions hold the lock from reading the clock until the commit, so their times are in the order of commits.
        self._put_tombstone(user_id_hash(user_id), version or 0, clock.now())
        log_signals(self._connection, heated)
        return True

    def reactions(self, kinds: Collection[EventType]) -> Iterator[Reaction]:
        columns = (events.c.sequence, events.c.user_id, events.c.paper_id, events.c.event_type, events.c.occurred_at)
        wanted = select(*columns).where(events.c.event_type.in_(kinds)).order_by(events.c.sequence)
        after = 0
        # Parts of their own rather than a cursor, which would stay open where the caller stops halfway.
        while rows := self._connection.execute(wanted.where(events.c.sequence > after).limit(_ROWS_AT_A_TIME)).all():
            for row in rows:
                yield row.user_id, row.paper_id, row.event_type, row.occurred_at
            after = rows[-1].sequence

    def deleted(
        self, *, since: dt.datetime | None, after: tuple[dt.datetime, str] | None, limit: int
    ) -> list[DeletedUser]:
        deleted_at, hashed = deleted_users.c.deleted_at, deleted_users.c.user_id_hash
        statement = select(hashed, deleted_at).order_by(deleted_at, hashed).limit(limit)
        if since is not None:
            statement = statement.where(deleted_at >= since)
        if after is not None:
            statement = statement.where(tuple_(deleted_at, hashed) > after)
        return [DeletedUser(row.user_id_hash, row.deleted_at) for row in self._connection.execute(statement)]

    def _heated_papers(self, user_id: str) -> list[str]:
        """Return papers whose trend counts events of the user. Waits for transactions that record such events."""
        self._connection.execute(select(users.c.user_id).where(users.c.user_id == user_id).with_for_update()).all()
        own = select(events.c.paper_id).where(events.c.user_id == user_id, events.c.event_type.in_(HEATING_EVENTS))
        return list(self._connection.scalars(own.distinct()))

    def _check_repeats(self, known: Mapping[_Key, Event], places: Mapping[_Key, int]) -> None:
        """Raise OtherEvent unless each of the events equals the stored event of its key."""
        for user_id, own in groupby(sorted(known), itemgetter(0)):
            statement = select(events).where(events.c.user_id == user_id)
            for row in rows_in(self._connection, statement, events.c.event_id, [event_id for _, event_id in own]):
                stored = from_row(Event, row)
                if not known[_key_of(stored)].repeats(stored):
                    raise OtherEvent(places[_key_of(stored)])

    def _hold_users(self, user_ids: Sequence[str], now: dt.datetime) -> None:
        """Create the missing users and lock all of them. ``user_ids`` are sorted, so that two callers cannot deadlock.

        A user who was deleted before gets a version greater than any before the deletion.
        """
        statement = insert(self._connection, users).values(
            user_id=bindparam("user_id"),
            version=0,
            created_at=bindparam("now", type_=users.c.created_at.type),
            updated_at=bindparam("now", type_=users.c.created_at.type),
        )
        # This update changes nothing, but locks the row, which DO NOTHING would not.
        locking = statement.on_conflict_do_update(index_elements=["user_id"], set_={"version": users.c.version})
        returning = locking.returning(users.c.user_id, users.c.version)
        held = self._connection.execute(returning, [{"user_id": user_id, "now": now} for user_id in user_ids]).all()
        # Not part of the INSERT: an INSERT that waits for a deletion has looked for the tombstone before the wait.
        new = [row.user_id for row in held if row.version == 0]
        if new:
            hashes = [{"key": user_id, "user_id_hash": user_id_hash(user_id)} for user_id in new]
            self._connection.execute(_LIFT_ABOVE_TOMBSTONE, hashes)

    def _insert_events(self, new: Sequence[Event], now: dt.datetime) -> set[_Key]:
        """Return the keys of the events that were not stored before."""
        keys = (events.c.user_id, events.c.event_id)
        statement = insert(self._connection, events).on_conflict_do_nothing().returning(*keys)
        found = self._connection.execute(statement, [to_row(event, recorded_at=now) for event in new])
        return {(user_id, event_id) for user_id, event_id in found}

    def _put_preferences(self, row: dict[str, Any]) -> None:
        put_rows(self._connection, preferences, [row])

    def _put_tombstone(self, hashed: str, version: int, now: dt.datetime) -> None:
        statement = insert(self._connection, deleted_users).values(
            user_id_hash=hashed, deleted_at=now, last_version=version
        )
        new, old = statement.excluded.last_version, deleted_users.c.last_version
        changes = {"deleted_at": statement.excluded.deleted_at, "last_version": case((new > old, new), else_=old)}
        self._connection.execute(statement.on_conflict_do_update(index_elements=["user_id_hash"], set_=changes))


def _key_of(event: Event) -> _Key:
    return event.user_id, event.event_id


def _first_places(given: Sequence[Event]) -> dict[_Key, int]:
    """Return the place of the first event of each key; raise OtherEvent if a later event of the key differs from it."""
    found: dict[_Key, int] = {}
    for place, event in enumerate(given):
        if not event.repeats(given[found.setdefault(_key_of(event), place)]):
            raise OtherEvent(place)
    return found


def touch_users(connection: Connection, user_ids: Sequence[str], now: dt.datetime | None = None) -> None:
    """Give each of the users a new version. Without ``now``, ``updated_at`` stays: no user made the change."""
    for chunk in chunks(sorted(set(user_ids))):
        chosen = users.c.user_id.in_(chunk)
        # An UPDATE alone would lock in any order; see _hold_users. This lock lets slates of these users be stored.
        in_order = select(users.c.user_id).where(chosen).order_by(users.c.user_id).with_for_update(key_share=True)
        connection.execute(in_order).all()
        changes: dict[str, Any] = {"version": users.c.version + 1} | ({"updated_at": now} if now else {})
        connection.execute(update(users).where(chosen).values(changes))


def touch_users_of(connection: Connection, paper_ids: Sequence[str]) -> None:
    """Give a new version to every user whose profile may hold one of these changed papers.

    The papers are locked first, so that users of events that are being recorded are included, and later events see the
    changed papers. Papers are locked in the order of their ids and before users, as ``record`` does.
    """
    in_order = select(papers.c.paper_id).order_by(papers.c.paper_id).with_for_update()
    locked = [row.paper_id for row in rows_in(connection, in_order, papers.c.paper_id, sorted(paper_ids))]
    with_events = select(events.c.user_id).where(events.c.event_type.in_(DECIDING_EVENTS)).distinct()
    touch_users(connection, [row.user_id for row in rows_in(connection, with_events, events.c.paper_id, locked)])


def _state_of(user: Row[Any], deciding: Iterable[Any]) -> UserState:
    """Return the state of a user, from a row with preferences and the (paper, type, time) of deciding events."""
    now = verdicts((paper_id, event_type, occurred_at) for paper_id, event_type, occurred_at in deciding)
    return UserState(
        user_id=user.user_id,
        version=user.version,
        likes=now.likes,
        dislikes=now.dislikes,
        hidden_paper_ids=now.hidden_paper_ids,
        preferences=_preferences_of(user),
        created_at=user.created_at,
        updated_at=user.updated_at,
        interests=None if user.interests is None else _interests_of(user),
    )


def _interests_of(user: Row[Any]) -> StoredInterests:
    stored = tuple(
        StoredInterest(
            **each
            | {
                "origin": InterestOrigin(each["origin"]),
                "paper_ids": tuple(each["paper_ids"]),
                "merged_ids": tuple(each["merged_ids"]),
            }
        )
        for each in user.interests
    )
    return StoredInterests(stored, frozenset(user.unsorted_paper_ids))


def _preferences_of(user: Row[Any]) -> Preferences:
    return Preferences(**{name: getattr(user, name) or () for name in _PREFERENCE_NAMES})
