"""Slates as served, and why each paper is on them."""

import datetime as dt
import enum
from dataclasses import dataclass
from typing import NamedTuple


class FallbackReason(enum.Enum):
    """Why a feed is not what the trained ranker makes of a known reader."""

    NONE = "none"
    NEW_USER = "new_user"
    MODEL_UNAVAILABLE = "model_unavailable"
    STALE_DIGEST = "stale_digest"
    OVERLOAD = "overload"
    EMPTY_DIGEST = "empty_digest"


class ReasonType(enum.Enum):
    """What kind of fact speaks for a paper."""

    SIMILAR_TO_LIKED = "similar_to_liked"
    TOPIC = "topic"
    TRENDING = "trending"
    FRESH = "fresh"
    FOLLOWED_AUTHOR = "followed_author"
    EXPLORATION = "exploration"


class Reason(NamedTuple):
    """One fact that speaks for a paper.

    Attributes:
        paper_id: SIMILAR_TO_LIKED only: the liked paper.
        subject: What it is about, for people: the liked paper's title, the topic, the author.
        similarity: SIMILAR_TO_LIKED only: cosine to the liked paper, -1 to 1; None otherwise.
    """

    reason_type: ReasonType
    subject: str = ""
    paper_id: str = ""
    similarity: float | None = None


class SlateItem(NamedTuple):
    """A paper at its place.

    Attributes:
        rank: One-based place in the slate.
        score: Comparable only inside one slate; rounded to 1e-6.
        action_propensity: Probability that the logging policy put this paper here, as ``ranker.explore`` defines it;
            1.0 without exploration.
    """

    rank: int
    paper_id: str
    score: float
    reasons: tuple[Reason, ...] = ()
    action_propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Slate:
    """One ordered list, served once and never changed.

    Attributes:
        slate_id: Random, 128 bit, hexadecimal.
        digest_id: Empty when the candidates came from a window of time.
        model_version: The bundle's version; ``cosine`` or ``trending`` where no model scored.
        as_of: The time that ages were computed at.
        request_hash: Names the request; a page token of another request does not fit it.
        features_version: Names what the features mean, see ``ranker.bundle.bundle.Bundle``; empty where no model scored, and
            in slates from before it was kept.
        features: float32 little-endian, one row for each item in the order of the bundle's schema; empty where no model
            scored.
    """

    slate_id: str
    user_id: str
    digest_id: str
    model_version: str
    fallback_reason: FallbackReason
    as_of: dt.datetime
    created_at: dt.datetime
    request_hash: str
    pending_paper_count: int
    items: tuple[SlateItem, ...]
    features_version: str = ""
    features: bytes = b""
