"""Users: their events, preferences, likes and state."""

import datetime as dt
import enum
import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

from service.domain.interests import StoredInterests

MAX_FUTURE = dt.timedelta(minutes=5)


class EventType(enum.StrEnum):
    """Kinds of events; the values are those of the interchange format."""

    LIKE = "like"
    UNLIKE = "unlike"
    DISLIKE = "dislike"
    CLICK = "click"
    SAVE = "save"
    DISMISS = "dismiss"
    IMPRESSION = "impression"
    SENT = "sent"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: an interaction of a user with a paper.

    Attributes:
        event_id: Idempotency key among the events of the user; see ``default_event_id``.
        occurred_at: UTC; None if unknown. Unknown times sort before all known times.
        slate_id: Slate that showed the paper; empty if unknown.
    """

    event_id: str
    user_id: str
    paper_id: str
    event_type: EventType
    occurred_at: dt.datetime | None = None
    slate_id: str = ""

    def repeats(self, stored: "Event") -> bool:
        """Return whether this event repeats a stored event with the same user and event_id.

        An event_id that was derived from the content does not depend on the slate, so such events may name different
        slates.
        """
        same = (self.paper_id, self.event_type, self.occurred_at) == (
            stored.paper_id,
            stored.event_type,
            stored.occurred_at,
        )
        own_id = default_event_id(self.user_id, self.paper_id, self.event_type, self.occurred_at)
        return same and (self.slate_id == stored.slate_id or self.event_id == own_id)


class OtherEvent(Exception):
    """An event has the user and the event_id of another event; ``place`` is its place in the list, from 0."""

    def __init__(self, place: int) -> None:
        super().__init__(f"event {place} has the id of another event")
        self.place = place


Reaction: TypeAlias = tuple[str, str, EventType, dt.datetime | None]
"""User id, paper id, type and time of an event."""


def default_event_id(user_id: str, paper_id: str, event_type: EventType, occurred_at: dt.datetime | None) -> str:
    """Return the id of an event sent without one; equal user, paper, type and time give equal ids."""
    moment = occurred_at.astimezone(dt.UTC).isoformat() if occurred_at else ""
    key = f"{user_id}\x1f{paper_id}\x1f{event_type.value}\x1f{moment}"
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def next_event_id(event_id: str) -> str:
    """Return the id to try if another event of the user has a default one; equal ids give equal ids."""
    return hashlib.sha256(f"next\x1f{event_id}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Preferences:
    """Topics, authors and keywords that a user follows or mutes.

    Comparison ignores case. A topic matches a category, or words of the title or abstract.
    """

    followed_topics: tuple[str, ...] = ()
    muted_topics: tuple[str, ...] = ()
    followed_authors: tuple[str, ...] = ()
    muted_authors: tuple[str, ...] = ()
    muted_keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Like:
    """A paper that a user currently likes; ``liked_at`` is None if the time is unknown."""

    paper_id: str
    liked_at: dt.datetime | None
    is_saved: bool = field(default=False, compare=False)
    """Whether a save of the paper is in force. Exports do not hold it."""


@dataclass(frozen=True, slots=True)
class UserState:
    """Current state of one user, derived from all events.

    Attributes:
        version: Increases with every recorded event and every change of preferences or interests.
        likes: Liked and saved papers, oldest first; unknown times before known ones; ties in order of arrival.
        dislikes: Disliked and dismissed papers in the same order.
        hidden_paper_ids: Papers that a feed must not show.
        interests: None until the user's first edit of an interest.
    """

    user_id: str
    version: int
    likes: tuple[Like, ...]
    dislikes: tuple[Like, ...]
    hidden_paper_ids: frozenset[str]
    preferences: Preferences
    created_at: dt.datetime
    updated_at: dt.datetime
    interests: StoredInterests | None = None


def user_id_hash(user_id: str) -> str:
    """Return the SHA-256 of a user id in hexadecimal; only this hash is kept of a deleted user."""
    return hashlib.sha256(user_id.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """Tombstone of a deleted user: the hash of the id and the time of deletion."""

    user_id_hash: str
    deleted_at: dt.datetime
