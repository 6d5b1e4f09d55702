"""Precomputed slates, which may be served while their inputs have not changed."""

import datetime as dt
from dataclasses import dataclass

from service.domain.feeds import FallbackReason, SlateItem


@dataclass(frozen=True, slots=True)
class PrecomputedSlate:
    """The first items of a slate, computed in advance for one user and digest; a user has at most one per digest.

    Attributes:
        user_version: Version of the user when the slate was computed; at another version the slate is outdated.
        digest_version: Version of the digest when the slate was computed; likewise.
        features_version: See ``Slate``.
        diversity: Diversity that the slate was computed with, 0 to 1.
        as_of: Time at which ages were computed.
        is_whole: Whether the slate ends because no candidates were left.
        features: See ``Slate``.
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
