"""Sync of a library in another program: its papers are likes of a user for as long as they are in it.

The user's own events always count: a sync adds likes and takes back those that a sync added, and nothing else. Order in
time decides between a like from a library and what the user did in paperfeed, as it does between all events.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service.app.libraries import place_papers
from service.app.ports import Clock, Store, Transaction
from service.app.synced.collections import Collections, collections_of, follow
from service.domain.errors import Conflict
from service.domain.events import Event, EventType, OtherEvent, default_event_id
from service.domain.interests import StoredInterests
from service.domain.libraries import LibraryCollection, LibraryItem, LibrarySource
from service.domain.papers import Paper, check_id, check_paper, check_text
from service.domain.states import DECIDING_EVENTS, verdicts

EVENT_PREFIX = "library-"
"""Ids of events that syncs record begin with this."""
_BEFORE_ALL = dt.datetime.min.replace(tzinfo=dt.UTC)
_History: TypeAlias = dict[str, list[Event]]
"""Deciding events of some papers by paper, in order of arrival."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item that was read from a library.

    Attributes:
        place: Place of its paper in ``LibraryChanges.papers``.
        added_at: UTC; None if unknown.
        collections: As in ``LibraryItem``.
    """

    item_key: str
    place: int
    added_at: dt.datetime | None
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LibraryChanges:
    """What a library has now, or what changed in it since the last sync.

    Attributes:
        version, fingerprint, chosen, reached, as_interests: As in ``LibrarySource``.
        papers: Different papers.
        items: New and changed items, or all items if ``is_whole``.
        removed: Keys of items that are no longer in the library, its chosen collections, or no longer papers.
        unread: Keys of items that cannot be read now; if they were read before, they stay as they were.
        is_whole: Whether every other item that was there before is removed too.
        collections: All collections of the library.
    """

    papers: tuple[Paper, ...]
    items: tuple[FoundItem, ...]
    removed: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    is_whole: bool = True
    version: int = 0
    fingerprint: str = ""
    chosen: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    collections: tuple[LibraryCollection, ...] = ()
    as_interests: bool = False


@dataclass(frozen=True, slots=True)
class LibrarySync:
    """Result of a sync.

    Attributes:
        added_count: Items that are new, or have another paper than before.
        removed_count: Items that are gone, or have another paper than before.
        unchanged_count: Items that are as they were.
        new_paper_count: Papers new to the catalog.
        liked_count: Papers that the user likes since this sync.
        unliked_count: Papers whose like was taken back.
        overruled: Keys of added items whose papers the user has decided against in paperfeed. They are no likes.
        kept: Keys of removed items whose papers stay likes: the user likes them in paperfeed too, or another item or
            library has them.
        roomless_count: Collections that are no interest, because the user has as many interests as allowed.
        conflicts: Key of an item, and its arXiv id or DOI, which belongs to another paper of the catalog.
    """

    added_count: int
    removed_count: int
    unchanged_count: int
    new_paper_count: int
    liked_count: int
    unliked_count: int
    overruled: tuple[str, ...]
    kept: tuple[str, ...]
    roomless_count: int
    conflicts: tuple[tuple[str, str], ...]


def find_library(store: Store, user_id: str, source: str) -> tuple[LibrarySource | None, list[LibraryCollection], int]:
    """Return a library as it was at the last sync (None if there was none), its collections, and its item count."""
    with store.read() as tx:
        libraries, user_id = tx.libraries, check_id(user_id, "user_id")
        items = libraries.items(user_id, source)
        return libraries.find(user_id, source), libraries.collections(user_id, source), len(items)


def sync_library(
    store: Store, clock: Clock, user_id: str, source: str, before: LibrarySource | None, changes: LibraryChanges
) -> LibrarySync:
    """Store the papers of a library and its state, and record the likes that come and go, in one transaction.

    Args:
        source: As in ``LibrarySource``.
        before: The library as it was when the changes were read.

    Raises:
        Conflict: Another sync of the library, or a change of the user's events, came in between.
        InvalidField: The user's id, the source or a paper breaks a rule.
    """
    user_id, source = check_id(user_id, "user_id"), check_text(source, "source", max_length=1000, required=True)
    papers = [check_paper(paper, f"papers[{i}]") for i, paper in enumerate(changes.papers)]
    now = clock.now()
    with store.write() as tx:
        # Papers before the user: all writers take their locks in this order.
        placed = place_papers(tx, papers, now)
        tx.users.lock_preferences(user_id, now)
        if tx.libraries.find(user_id, source) != before:
            raise Conflict("library", source)
        stored = tx.libraries.items(user_id, source)
        given = [
            LibraryItem(item.item_key, placed.paper_ids[item.place], _past(item.added_at, now), item.collections)
            for item in changes.items
        ]
        left = _left(stored, changes)
        added = [
            item for item in given if item.item_key not in stored or stored[item.item_key].paper_id != item.paper_id
        ]
        gone = [stored[key] for key in [*left, *(item.item_key for item in added)] if key in stored]
        tx.libraries.drop_items(user_id, source, left)
        tx.libraries.put_items(user_id, source, [item for item in given if stored.get(item.item_key) != item])
        collections = tx.libraries.collections(user_id, source)
        if list(changes.collections) != collections:
            tx.libraries.replace_collections(user_id, source, changes.collections)
        tx.libraries.save(_state(user_id, source, changes, now))

        touched = {item.paper_id for item in [*added, *gone]}
        history = _history(tx, user_id, touched)
        liked = _liked(history)
        held_before = {item.paper_id for item in stored.values()}
        news = [item for item in added if item.paper_id not in liked]
        likes = _likes(user_id, news, history, now, None if before is None else held_before)
        unlikes = _unlikes(tx, user_id, gone, history, now)
        try:
            tx.users.record([*likes, *unlikes], now)
        except OtherEvent as error:
            raise Conflict("user", user_id) from error
        after = _liked(_history(tx, user_id, touched))
        roomless_count = 0
        if changes.as_interests:
            was = before is not None and before.as_interests
            roomless_count = _follow_collections(
                tx,
                user_id,
                source,
                collections_of(collections, stored.values(), before.reached) if before is not None and was else None,
                collections_of(changes.collections, tx.libraries.items(user_id, source).values(), changes.reached),
                now,
            )
    key_of_place = {item.place: item.item_key for item in reversed(changes.items)}
    taken_back = {event.paper_id for event in unlikes}
    return LibrarySync(
        added_count=len(added),
        removed_count=len(gone),
        unchanged_count=len(stored) - len(gone),
        new_paper_count=placed.added_count,
        liked_count=len(after - liked),
        unliked_count=len(liked - after),
        overruled=tuple(item.item_key for item in added if item.paper_id not in after),
        kept=tuple(item.item_key for item in gone if item.paper_id in liked and item.paper_id not in taken_back),
        roomless_count=roomless_count,
        conflicts=tuple((key_of_place[place], alias) for place, alias in placed.conflicts),
    )


def _follow_collections(
    tx: Transaction, user_id: str, source: str, before: Collections | None, after: Collections, now: dt.datetime
) -> int:
    """Let the user's interests follow the collections; return the number of those without room."""
    state = tx.users.find_state(user_id)
    held = state.interests if state else None
    wanted, roomless_count = follow(held or StoredInterests(), source, before, after)
    if wanted != (held or StoredInterests()):
        tx.users.save_interests(user_id, wanted, now)
    return roomless_count


def _state(user_id: str, source: str, changes: LibraryChanges, now: dt.datetime) -> LibrarySource:
    return LibrarySource(
        user_id=user_id,
        source=source,
        version=changes.version,
        fingerprint=changes.fingerprint,
        chosen=changes.chosen,
        reached=changes.reached,
        synced_at=now,
        as_interests=changes.as_interests,
    )


def _past(moment: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    """Return the time, but no later than now: clocks of other machines may be fast."""
    return None if moment is None else min(moment, now)


def _left(stored: Mapping[str, LibraryItem], changes: LibraryChanges) -> list[str]:
    """Return the keys of the stored items that are no longer in the library."""
    given = {item.item_key for item in changes.items}
    gone = stored.keys() - changes.unread if changes.is_whole else changes.removed & stored.keys()
    return sorted(gone - given)


def _history(tx: Transaction, user_id: str, paper_ids: Collection[str]) -> _History:
    history: _History = defaultdict(list)
    if paper_ids:
        for event in tx.users.events(user_id):
            if event.paper_id in paper_ids and event.event_type in DECIDING_EVENTS:
                history[event.paper_id].append(event)
    return history


def _liked(history: Mapping[str, Iterable[Event]]) -> set[str]:
    events = [event for own in history.values() for event in own]
    events.sort(key=lambda event: event.occurred_at or _BEFORE_ALL)
    return {
        like.paper_id for like in verdicts((each.paper_id, each.event_type, each.occurred_at) for each in events).likes
    }


def _likes(
    user_id: str,
    items: Iterable[LibraryItem],
    history: Mapping[str, Sequence[Event]],
    now: dt.datetime,
    held_before: Collection[str] | None,
) -> list[Event]:
    """Return a like of each paper, at the earliest time when it was added.

    Without a known time, a paper that was not in the library at the last sync was added now. A like that a sync has
    taken back comes again directly after that, so that everything that the user did later still counts.

    Args:
        held_before: Papers of the library at the last sync; None if this is the first.
    """
    times: dict[str, dt.datetime | None] = {}
    for item in items:
        known = [time for time in (times.get(item.paper_id), item.added_at) if time is not None]
        times[item.paper_id] = min(known, default=None)
    events = []
    for paper_id, added_at in times.items():
        is_new = held_before is not None and paper_id not in held_before
        liked_at = now if added_at is None and is_new else added_at
        own = [event for event in history.get(paper_id, ()) if event.event_id.startswith(EVENT_PREFIX)]
        ends = [each.occurred_at for each in own if each.event_type is EventType.UNLIKE and each.occurred_at]
        if ends and (liked_at is None or liked_at <= max(ends)):
            liked_at = max(ends) + dt.timedelta(microseconds=1)
        events.append(_event(user_id, paper_id, EventType.LIKE, liked_at))
    return events


def _unlikes(
    tx: Transaction, user_id: str, gone: Sequence[LibraryItem], history: _History, now: dt.datetime
) -> list[Event]:
    """Return what takes back the likes of items that are gone, unless another item or the user likes their papers."""
    held = tx.libraries.held(user_id, {item.paper_id for item in gone})
    items = {item.paper_id: item for item in gone if item.paper_id not in held}
    liked = _liked({paper_id: history.get(paper_id, []) for paper_id in items})
    own = _liked({paper_id: _own(history.get(paper_id, []), item) for paper_id, item in items.items()})
    return [_event(user_id, paper_id, EventType.UNLIKE, now) for paper_id in items if paper_id in liked - own]


def _own(events: Iterable[Event], item: LibraryItem) -> list[Event]:
    """Return the events that come from the user and not from a library.

    A like of the exact time when the item was added came from an earlier import of the library.
    """

    def is_imported(event: Event) -> bool:
        own_id = default_event_id(event.user_id, event.paper_id, EventType.LIKE, item.added_at)
        return item.added_at is not None and event.event_id == own_id

    return [event for event in events if not event.event_id.startswith(EVENT_PREFIX) and not is_imported(event)]


def _event(user_id: str, paper_id: str, event_type: EventType, occurred_at: dt.datetime | None) -> Event:
    event_id = EVENT_PREFIX + default_event_id(user_id, paper_id, event_type, occurred_at)
    return Event(event_id, user_id, paper_id, event_type, occurred_at)
