"""Served and precomputed slates, and the reasons for each paper."""

import datetime as dt
import enum
from dataclasses import dataclass
from typing import NamedTuple


class FallbackReason(enum.Enum):
    """Why a feed was not ranked by the trained model for a known user; NONE if it was."""

    NONE = "none"
    NEW_USER = "new_user"
    MODEL_UNAVAILABLE = "model_unavailable"
    OVERLOAD = "overload"
    EMPTY_DIGEST = "empty_digest"


class ReasonType(enum.StrEnum):
    """Kinds of reasons for a paper. Each is the text that is stored."""

    SIMILAR_TO_LIKED = "similar_to_liked"
    TOPIC = "topic"
    TRENDING = "trending"
    FRESH = "fresh"
    FOLLOWED_AUTHOR = "followed_author"
    EXPLORATION = "exploration"


class Reason(NamedTuple):
    """One reason why a paper is in a slate.

    Attributes:
        subject: Text for people: the liked paper's title, the topic or the author.
        paper_id: Id of the liked paper; empty unless SIMILAR_TO_LIKED.
        similarity: Cosine to the liked paper, -1 to 1; None unless SIMILAR_TO_LIKED.
    """

    reason_type: ReasonType
    subject: str = ""
    paper_id: str = ""
    similarity: float | None = None


class SlateItem(NamedTuple):
    """A paper at its place in a slate.

    Attributes:
        rank: One-based place in the slate.
        score: Rounded to 1e-6; comparable only within one slate.
        action_propensity: Probability that the logging policy put this paper at this place, as ``ranker.explore``
            defines it; 1.0 without exploration.
        interest_id: The interest whose section the paper is in; empty in a feed without sections. Scores are comparable
            only within one section.
        probability: Probability that the user likes or saves the paper, 0 to 1; None if no calibrated bundle scored.
    """

    rank: int
    paper_id: str
    score: float
    reasons: tuple[Reason, ...] = ()
    action_propensity: float = 1.0
    interest_id: str = ""
    probability: float | None = None


class SlateSection(NamedTuple):
    """One of the sections of a slate.

    Attributes:
        name: Name of the interest when the slate was made.
        weight: Share of the interest when the slate was made, 0 to 1.
    """

    interest_id: str
    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Slate:
    """An ordered list of papers, served once and never changed.

    Attributes:
        slate_id: 128 random bits in hexadecimal.
        digest_ids: Digests of the candidates; empty for a time window, and if no digest was stored.
        model_version: Version of the bundle; ``cosine`` or ``trending`` if no model scored.
        as_of: Time at which ages were computed.
        request_hash: Identifies the request; a page token of another request does not match it.
        features_version: Identifies the meaning of the features, see ``ranker.bundle.bundle.Bundle``. Empty if no model
            scored, and in slates stored before this field existed.
        features: Little-endian float32, one row per item, columns in the order of the bundle's schema; empty if no
            model scored.
        statistics_version: Version of the catalog statistics that the bundle was adapted to; 0 if the bundle's own
            statistics served alone, if no model scored, and in slates stored before this field existed.
        stale_digest: Whether the newest digest was asked for, and was older than the configured limit.
        sections: The sections that the items stand in; empty for a single list.
    """

    slate_id: str
    user_id: str
    digest_ids: tuple[str, ...]
    model_version: str
    fallback_reason: FallbackReason
    as_of: dt.datetime
    created_at: dt.datetime
    request_hash: str
    pending_paper_count: int
    items: tuple[SlateItem, ...]
    features_version: str = ""
    features: bytes = b""
    statistics_version: int = 0
    stale_digest: bool = False
    sections: tuple[SlateSection, ...] = ()


@dataclass(frozen=True, slots=True)
class PrecomputedSlate:
    """The first items of a slate, computed in advance for one user and digest; a user has at most one per digest.

    It may be served while its inputs have not changed. Fields that are not listed are those of ``Slate``.

    Attributes:
        user_version: Version of the user when the slate was computed; at another version the slate is outdated.
        digest_version: Version of the digest when the slate was computed; likewise.
        diversity: Diversity that the slate was computed with, 0 to 1.
        is_whole: Whether the slate ends because no candidates were left.
    """

    user_id: str
    digest_id: str
    user_version: int
    digest_version: int
    model_version: str
    features_version: str
    diversity: float
    fallback_reason: FallbackReason
    as_of: dt.datetime
    pending_paper_count: int
    is_whole: bool
    items: tuple[SlateItem, ...]
    features: bytes = b""
    statistics_version: int = 0
