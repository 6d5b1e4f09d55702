"""Slates made ahead of time, to be served as long as what they were made from has not changed."""

import datetime as dt
from dataclasses import dataclass

from service.domain.feeds import FallbackReason, SlateItem


@dataclass(frozen=True, slots=True)
class PrecomputedSlate:
    """The beginning of one known user's slate of one digest; a user has at most one for each digest.

    Attributes:
        user_version: The user's when it was made; at another version it no longer fits.
        digest_version: Likewise the digest's.
        features_version: See ``Slate``.
        diversity: What it was asked for with.
        as_of: When it was made: what ages were counted to.
        is_whole: Whether it ends because there was no more to show.
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
