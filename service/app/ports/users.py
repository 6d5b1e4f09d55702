"""The store of users: their events, preferences, interests and state."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from service.app.ports.clock import Clock
from service.domain.events import DeletedUser, Event, EventType, Preferences, Reaction, UserState
from service.domain.interests import StoredInterests


class UserStore(Protocol):
    """Users: their events, preferences, interests and state."""

    def record(self, events: Sequence[Event], now: dt.datetime) -> list[bool]:
        """Store events; return for each whether it is new. A repeated event (``Event.repeats``) is ignored.

        Creates users. Paper ids must be canonical and known.

        Raises:
            OtherEvent: The user has another event of this id. The transaction must be rolled back.
        """

    def version(self, user_id: str) -> int | None:
        """Return the user's version; None for an unknown user. Cheap: reads one indexed row."""

    def find_state(self, user_id: str) -> UserState | None:
        """Return the current state of a user; None for an unknown user.

        The latest LIKE, UNLIKE or DISLIKE decides whether a paper is liked or disliked. Events are in order of time,
        unknown times first, ties in order of arrival. SAVE counts as a like until a later UNLIKE or DISLIKE; DISMISS
        counts as a dislike until a later LIKE. ``hidden_paper_ids`` has all papers that are liked, saved, dismissed or
        disliked now, or that were sent or complained about.
        """

    def find_states(self, user_ids: Sequence[str], *, recorded_by: dt.datetime | None = None) -> dict[str, UserState]:
        """Return states by user id, read in a few statements; leave out unknown users.

        Args:
            recorded_by: Ignore events that were recorded later; None takes all. Preferences are always those of now.
        """

    def lock_preferences(self, user_id: str, now: dt.datetime) -> Preferences:
        """Lock a user until the transaction ends and return the preferences. Creates the user if needed."""

    def save_preferences(self, user_id: str, preferences: Preferences, now: dt.datetime) -> None:
        """Replace the preferences; create the user if needed."""

    def save_interests(self, user_id: str, wanted: StoredInterests, now: dt.datetime) -> None:
        """Replace the edited interests and give the user a new version; create the user if needed."""

    def page_ids(self, *, after: str, limit: int) -> list[str]:
        """Return user ids greater than ``after``, ascending."""

    def event_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of events by user id; leave out users without events."""

    def like_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Return by user id the number of papers that the user has ever liked or saved; leave out users without any."""

    def events(self, user_id: str, *, batch_size: int = 1000) -> Iterator[Event]:
        """Yield all events of a user in order of arrival."""

    def events_after(self, user_id: str, sequence: int, *, limit: int) -> list[tuple[int, Event]]:
        """Return (sequence, event) of the user's first ``limit`` events after a sequence, in order of arrival."""

    def reactions(self, kinds: Collection[EventType]) -> Iterator[Reaction]:
        """Yield all users' events of these types in order of arrival. Read the iterator to its end without delay."""

    def delete(self, user_id: str, clock: Clock) -> bool:
        """Delete a user with events, preferences, interests and slates and leave a tombstone; return False if unknown.

        The clock is read after all locks are taken, so that tombstones are committed in order of their times.
        """

    def deleted(
        self, *, since: dt.datetime | None, after: tuple[dt.datetime, str] | None, limit: int
    ) -> list[DeletedUser]:
        """Return tombstones from ``since`` on, in order of (deleted_at, hash), after the position ``after``."""
