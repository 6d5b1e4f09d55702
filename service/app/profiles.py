"""Use cases over users: events, preferences, likes, export and deletion."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias, TypeVar

from service.app.catalog import resolve_all
from service.app.counters import Counters
from service.app.ports import Clock, Store, Transaction
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.serving import ServingSlot
from service.domain.callers import AuditEntry
from service.domain.errors import InvalidField, NotFound, QuotaExceeded
from service.domain.events import (
    MAX_FUTURE,
    DeletedUser,
    Event,
    Like,
    OtherEvent,
    Preferences,
    UserState,
    default_event_id,
)
from service.domain.feeds import PrecomputedSlate, Slate
from service.domain.interests import Interest
from service.domain.libraries import SyncedItem, SyncedLibrary
from service.domain.papers import check_id, check_text
from service.domain.states import LIKING_EVENTS
from telemetry.record import recorder

MAX_PREFERENCES = 200
# Rows read in one transaction of an export.
EVENTS_AT_A_TIME = 1_000
SLATES_AT_A_TIME = 50
Row = TypeVar("Row")
Exported: TypeAlias = UserState | Event | SyncedLibrary | SyncedItem | Slate | PrecomputedSlate
"""A record of an export."""


class Profiles:
    """Use cases over users.

    Args:
        serving: Gives the vectors that group likes into interests; None if interests are not needed.
        users: Cache of prepared users; None if interests are not needed.
        max_likes: Number of likes of a user above which ``record`` stores no like; 0 means no limit.
        counters: Counts new events; None counts none.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        serving: ServingSlot | None = None,
        users: PreparedUsers | None = None,
        counters: Counters | None = None,
        *,
        max_likes: int = 0,
    ) -> None:
        self._counters = counters
        self._max_likes = max_likes
        self._users = users
        self._store = store
        self._clock = clock
        self._serving = serving

    def record(self, events: Sequence[Event], *, path: str = "events") -> tuple[list[str], list[bool]]:
        """Store events in one transaction; return their ids and whether each was new.

        An event that is sent again with the same event_id changes nothing.

        Raises:
            InvalidField: An event breaks a rule, or the user has another event with its event_id.
            NotFound: An event names an unknown paper.
            QuotaExceeded: A user would have more likes than allowed.
        """
        checked = [self._check_event(event, f"{path}[{i}]") for i, event in enumerate(events)]
        paths = [f"{path}[{i}].paper_id" for i in range(len(checked))]
        try:
            with recorder().stage("record", events=len(checked)), self._store.write() as tx:
                paper_ids = resolve_all(tx, [event.paper_id for event in checked], paths)
                complete = [_complete(event, paper_id) for event, paper_id in zip(checked, paper_ids, strict=True)]
                new = tx.users.record(complete, self._clock.now())
                if self._max_likes:
                    self._check_likes(tx, [event for event, is_new in zip(complete, new, strict=True) if is_new])
        except OtherEvent as other:
            problem = "is already the id of another event of this user"
            raise InvalidField(f"{path}[{other.place}].event_id", problem) from other
        if self._counters is not None:
            stored = (event for event, is_new in zip(complete, new, strict=True) if is_new)
            self._counters.count_events(event.event_type.name for event in stored)
        return [event.event_id for event in complete], new

    def state(self, user_id: str) -> UserState:
        """Return the current state of a user.

        Raises:
            NotFound: The user is unknown.
        """
        with self._store.read() as tx:
            state = tx.users.find_state(check_id(user_id, "user_id"))
        if state is None:
            raise NotFound("user", user_id, field="user_id")
        return state

    def interests(self, user_id: str) -> tuple[Interest, ...]:
        """Return the interests of a user, heaviest first; empty if no like has a vector yet."""
        if self._serving is None or self._users is None:
            return ()
        with self._store.read() as tx:
            return self._users.find(
                tx, self._serving.choice().of(user_id), user_id, tx.users.version(user_id)
            ).interests

    def likes(
        self, user_id: str, *, offset: int, limit: int, saved_only: bool = False
    ) -> tuple[list[tuple[Like, str]], bool]:
        """Return a page of (like, title), newest first, and whether more likes follow."""
        wanted = [like for like in self.state(user_id).likes if like.is_saved or not saved_only]
        newest_first = wanted[::-1][offset : offset + limit]
        with self._store.read() as tx:
            papers = tx.papers.find_many([like.paper_id for like in newest_first])
        page = [(like, papers[like.paper_id].title) for like in newest_first if like.paper_id in papers]
        return page, offset + limit < len(wanted)

    def update_preferences(self, user_id: str, preferences: Preferences, fields: Sequence[str]) -> Preferences:
        """Replace the named lists of a user's preferences (all lists if none is named); return all preferences."""
        user_id = check_id(user_id, "user_id")
        known = Preferences.__dataclass_fields__
        for name in fields:
            if name not in known:
                raise InvalidField("update_mask", f"unknown field '{name}'; known fields: {', '.join(known)}")
        changes = {name: _check_words(getattr(preferences, name), name) for name in (fields or known)}
        with self._store.write() as tx:
            now = self._clock.now()
            merged = replace(tx.users.lock_preferences(user_id, now), **changes)
            tx.users.save_preferences(user_id, merged, now)
        return merged

    def export(self, user_id: str) -> Iterator[Exported]:
        """Yield all data of a user.

        They are the state, all events, all synced libraries with their items, all served slates, and all precomputed
        slates, in this order.

        A user who has no events or preferences has only slates. Each page is read in a transaction of its own, because
        SQLite's write-ahead log grows during a long one. Data stored during the export may be included.

        Raises:
            NotFound: Nothing is stored about the user.
        """
        with self._store.read() as tx:
            state = tx.users.find_state(check_id(user_id, "user_id"))
        events = self._pages(
            lambda tx, after: tx.users.events_after(user_id, after, limit=EVENTS_AT_A_TIME), 0, itemgetter(0)
        )
        slates = self._pages(
            lambda tx, after: tx.slates.of_user_after(user_id, after, limit=SLATES_AT_A_TIME),
            None,
            attrgetter("created_at", "slate_id"),
        )
        precomputed = self._pages(
            lambda tx, after: tx.precomputed.of_user_after(user_id, after, limit=SLATES_AT_A_TIME),
            "",
            attrgetter("digest_id"),
        )
        records: Iterator[Exported] = chain(
            [state] if state else [], (event for _, event in events), self._libraries(user_id), slates, precomputed
        )
        is_known = False
        for record in records:
            is_known = True
            yield record
        if not is_known:
            raise NotFound("user", user_id, field="user_id")

    def delete(self, user_id: str, entry: AuditEntry | None = None) -> None:
        """Delete a user and all derived data, if there are any; store the entry of the audit log with it."""
        with self._store.write() as tx:
            tx.users.delete(check_id(user_id, "user_id"), self._clock)
            if entry is not None:
                tx.audit.add(entry)

    def deleted(
        self, *, since: dt.datetime | None, after: tuple[dt.datetime, str] | None, limit: int
    ) -> list[DeletedUser]:
        """Return tombstones of deleted users in order of deletion."""
        with self._store.read() as tx:
            return tx.users.deleted(since=since, after=after, limit=limit)

    def _check_likes(self, tx: Transaction, new: Sequence[Event]) -> None:
        """Raise QuotaExceeded if one of the new events gives its user more likes than allowed."""
        liking = sorted({event.user_id for event in new if event.event_type in LIKING_EVENTS})
        # Counting events is quick, but counts likes that were taken back.
        many = [user_id for user_id, count in tx.users.like_counts(liking).items() if count > self._max_likes]
        if any(len(state.likes) > self._max_likes for state in tx.users.find_states(many).values()):
            raise QuotaExceeded("likes of this user", self._max_likes)

    def _libraries(self, user_id: str) -> Iterator[SyncedLibrary | SyncedItem]:
        with self._store.read() as tx:
            found = tx.libraries.of_user(user_id)
        for each in found:
            with self._store.read() as tx:
                collections = tx.libraries.collections(user_id, each.source)
                items = tx.libraries.items(user_id, each.source)
            yield SyncedLibrary(each, tuple(collections))
            yield from (SyncedItem(each.source, items[key]) for key in sorted(items))

    def _pages(
        self, read: Callable[[Transaction, Any], Sequence[Row]], after: Any, place_of: Callable[[Row], Any]
    ) -> Iterator[Row]:
        """Yield all rows that ``read`` returns page by page, from the place ``after`` on."""
        while True:
            with self._store.read() as tx:
                page = read(tx, after)
            if not page:
                return
            yield from page
            after = place_of(page[-1])

    def _check_event(self, event: Event, path: str) -> Event:
        if event.occurred_at and event.occurred_at > self._clock.now() + MAX_FUTURE:
            raise InvalidField(f"{path}.occurred_at", "lies more than 5 minutes in the future")
        return replace(
            event,
            event_id=check_id(event.event_id, f"{path}.event_id") if event.event_id else "",
            user_id=check_id(event.user_id, f"{path}.user_id"),
            slate_id=check_id(event.slate_id, f"{path}.slate_id") if event.slate_id else "",
        )


def _complete(event: Event, paper_id: str) -> Event:
    event_id = event.event_id or default_event_id(event.user_id, paper_id, event.event_type, event.occurred_at)
    return replace(event, paper_id=paper_id, event_id=event_id)


def _check_words(words: Sequence[str], name: str) -> tuple[str, ...]:
    path = f"preferences.{name}"
    if len(words) > MAX_PREFERENCES:
        raise InvalidField(path, f"has {len(words)} entries; at most {MAX_PREFERENCES} are allowed")
    checked = (check_text(word, f"{path}[{i}]", max_length=200, required=True) for i, word in enumerate(words))
    return tuple(dict.fromkeys(checked))
