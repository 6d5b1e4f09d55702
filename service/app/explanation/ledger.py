"""Use cases of the signal ledger: list the events that shape a user's feeds, and take them back.

Events are deleted and not countered by others: an UNLIKE after a dismissal or a repeated like would not bring back the
state before. All states are derived from the events that are left, so a deletion does.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from service.app.ports import Clock, Store
from service.domain.callers import AuditEntry
from service.domain.errors import NotFound
from service.domain.events import EventType, Preferences
from service.domain.ledger import LEDGER_EVENTS, RecordedEvent, SignalEffect, effects_of
from service.domain.papers import check_id


class Signal(NamedTuple):
    """A recorded event, the title of its paper, and what it does now."""

    recorded: RecordedEvent
    title: str
    effects: tuple[SignalEffect, ...]


class SignalPage(NamedTuple):
    """A page of signals.

    Attributes:
        preferences: Preferences of the user; None on later pages.
        next_before: Where the next page begins; None on the last page.
    """

    signals: list[Signal]
    preferences: Preferences | None
    next_before: int | None


class Ledger:
    """Use cases of the signal ledger."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def page(self, user_id: str, kinds: Collection[EventType], *, before: int | None = None, limit: int) -> SignalPage:
        """Return a page of signals, the one recorded last first.

        Args:
            kinds: Types of the events; empty means ``LEDGER_EVENTS``.
            before: ``next_before`` of the page before; None for the first page.

        Raises:
            NotFound: The user is unknown.
        """
        check_id(user_id, "user_id")
        with self._store.read() as tx:
            state = tx.users.find_state(user_id) if before is None else None
            if state is None and tx.users.version(user_id) is None:
                raise NotFound("user", user_id, field="user_id")
            found = tx.ledger.page(user_id, kinds or LEDGER_EVENTS, before=before, limit=limit + 1)
            page = found[:limit]
            paper_ids = sorted({each.event.paper_id for each in page})
            effects = effects_of(tx.ledger.of_papers(user_id, paper_ids))
            papers = tx.papers.find_many(paper_ids)
        signals = [Signal(each, papers[each.event.paper_id].title, effects[each.event.event_id]) for each in page]
        more = len(found) > limit
        return SignalPage(signals, state.preferences if state else None, page[-1].sequence if more else None)

    def delete(self, user_id: str, event_ids: Sequence[str], entry: AuditEntry | None = None) -> int:
        """Delete events of a user with an entry in the audit log; return their number. Unknown ids are ignored."""
        with self._store.write() as tx:
            count = tx.ledger.delete_events(user_id, list(dict.fromkeys(event_ids)), self._clock.now())
            if entry is not None:
                tx.audit.add(entry)
        return count

    def reset(self, user_id: str, entry: AuditEntry | None = None) -> int:
        """Delete all events, preferences and interests of a user, and return the number of events.

        Adds an entry to the audit log.
        """
        check_id(user_id, "user_id")
        with self._store.write() as tx:
            count = tx.ledger.reset(user_id, self._clock.now())
            if entry is not None:
                tx.audit.add(entry)
        return count
