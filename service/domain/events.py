"""What users do with papers, what follows from it, and what users ask for."""

import datetime as dt
import enum
import hashlib
from dataclasses import dataclass
from typing import TypeAlias

MAX_FUTURE = dt.timedelta(minutes=5)


class EventType(enum.Enum):
    """Kinds of interaction, in the words of the interchange format."""

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
    """One interaction of a user with a paper.

    Attributes:
        event_id: Idempotency key; see ``default_event_id``.
        occurred_at: UTC; None means unknown, which sorts before every known time.
        slate_id: The slate that showed the paper; empty when unknown.
    """

    event_id: str
    user_id: str
    paper_id: str
    event_type: EventType
    occurred_at: dt.datetime | None = None
    slate_id: str = ""


Reaction: TypeAlias = tuple[str, str, EventType, dt.datetime | None]
"""User, paper, kind and time of an event, where nothing else of it is asked for."""


def default_event_id(user_id: str, paper_id: str, event_type: EventType, occurred_at: dt.datetime | None) -> str:
    """The id of an event that came without one: equal for equal user, paper, event and time."""
    moment = occurred_at.astimezone(dt.UTC).isoformat() if occurred_at else ""
    key = f"{user_id}\x1f{paper_id}\x1f{event_type.value}\x1f{moment}"
    return hashlib.sha256(key.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user asked for. Words are compared without case; topics against categories and words of the text."""

    followed_topics: tuple[str, ...] = ()
    muted_topics: tuple[str, ...] = ()
    followed_authors: tuple[str, ...] = ()
    muted_authors: tuple[str, ...] = ()
    muted_keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Like:
    """A paper that a user likes now; ``liked_at`` is None where the time is unknown."""

    paper_id: str
    liked_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Interest:
    """A group of liked papers that are alike.

    Attributes:
        name: A few words of the papers' titles.
        like_count: Likes in the group, at least 1.
        weight: Share of all interests, 0 to 1; recent likes count more.
        paper_ids: The newest few of the likes, newest first.
    """

    name: str
    like_count: int
    weight: float
    paper_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserState:
    """All that the events of one user say now.

    Attributes:
        version: Grows with every recorded event and every change of preferences.
        likes: Liked and saved papers, oldest first, unknown times before known ones, ties by arrival.
        dislikes: Disliked and dismissed papers, same order.
        hidden_paper_ids: Papers a feed must not show.
    """

    user_id: str
    version: int
    likes: tuple[Like, ...]
    dislikes: tuple[Like, ...]
    hidden_paper_ids: frozenset[str]
    preferences: Preferences
    created_at: dt.datetime
    updated_at: dt.datetime


def user_id_hash(user_id: str) -> str:
    """What is left of a deleted user's id: its SHA-256 in hexadecimal."""
    return hashlib.sha256(user_id.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """A tombstone: the hash of the id, and when."""

    user_id_hash: str
    deleted_at: dt.datetime
