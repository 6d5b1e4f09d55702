"""A feed as the service answers it, in the mailer's own words."""

import datetime as dt
import enum
from dataclasses import dataclass


class ReasonKind(enum.Enum):
    """Why a paper is there; the values are the contract's names in lower case."""

    SIMILAR_TO_LIKED = "similar_to_liked"
    TOPIC = "topic"
    TRENDING = "trending"
    FRESH = "fresh"
    FOLLOWED_AUTHOR = "followed_author"
    EXPLORATION = "exploration"


@dataclass(frozen=True)
class Reason:
    """``subject`` is a liked paper's title, a topic or an author; empty where the kind says all."""

    kind: ReasonKind
    subject: str = ""


@dataclass(frozen=True)
class FeedPaper:
    """One place in a feed.

    Attributes:
        position: One-based, as served.
        url: Of the paper itself; empty where it has none.
        published_at: None where the source does not say.
        upvotes: None where the source has none.
        reasons: Strongest first.
    """

    position: int
    paper_id: str
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    url: str = ""
    published_at: dt.datetime | None = None
    upvotes: int | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Feed:
    """One user's papers of one digest.

    Attributes:
        fallback: The contract's fallback reason in lower case, e.g. ``new_user``; ``none`` when all is well.
    """

    user_id: str
    slate_id: str
    digest_id: str
    model_version: str
    fallback: str
    papers: tuple[FeedPaper, ...]


@dataclass(frozen=True)
class Digest:
    """A digest's head."""

    digest_id: str
    date: dt.date
    title: str
    paper_count: int


@dataclass(frozen=True)
class Preferences:
    """What a user follows and mutes."""

    followed_topics: tuple[str, ...] = ()
    muted_topics: tuple[str, ...] = ()
    followed_authors: tuple[str, ...] = ()
    muted_authors: tuple[str, ...] = ()
    muted_keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something that a user did, or that was done for the user (``sent``), to be told to the service.

    Attributes:
        event_type: The contract's name in lower case: like, dislike, save, click, impression, sent, complaint, ...
    """

    event_id: str
    user_id: str
    paper_id: str
    event_type: str
    occurred_at: dt.datetime
    slate_id: str = ""
