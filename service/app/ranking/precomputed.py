"""When a slate made ahead of time is served instead of a new one."""

import datetime as dt
import enum
from collections.abc import Callable
from dataclasses import dataclass

from service.app.ports import Transaction, Versions
from service.app.ranking.serving import Serving
from service.domain.events import MAX_FUTURE
from service.domain.feeds import FallbackReason, Slate
from service.domain.precomputed import PrecomputedSlate


class PrecomputedUse(enum.Enum):
    """When precomputed slates are served."""

    ALWAYS = "always"
    OVERLOAD = "overload"
    NEVER = "never"


@dataclass(frozen=True)
class Wish:
    """What a feed is asked for."""

    user_id: str
    diversity: float
    page_size: int


@dataclass(frozen=True)
class MadeAhead:
    """A slate that fits, without an id and a request of its own yet, and the date of its digest."""

    slate: Slate
    date: dt.date


@dataclass(frozen=True)
class Precomputed:
    """The rule.

    Attributes:
        max_age: Since it was made; ages and trends in it are of then.
        explores: Whether a slate with a paper put elsewhere to learn from it may be served.
        is_busy: Whether as many calls wait as are at work, or some were refused within the last second.
    """

    use: PrecomputedUse
    max_age: dt.timedelta
    is_busy: Callable[[], bool] = lambda: False
    explores: bool = False

    @property
    def wanted(self) -> bool:
        """Whether to look for one now."""
        return self.use is PrecomputedUse.ALWAYS or (self.use is PrecomputedUse.OVERLOAD and self.is_busy())

    def find(
        self, tx: Transaction, serving: Serving, wish: Wish, versions: Versions, now: dt.datetime
    ) -> MadeAhead | None:
        """The user's slate of the digest, if it still is what would be made now but for time.

        It is not once the user's events or preferences, the digest or the bundle have changed. Where overload is why it
        is served, it says so.

        Args:
            versions: Of the user and the digest.
        """
        if not versions.is_made_ahead:
            return None
        digest, version = versions.digest, versions.user
        found = None if digest is None or version is None else tx.precomputed.find(wish.user_id, digest[0])
        if digest is None or found is None or (found.user_version, found.digest_version) != (version, digest[1]):
            return None
        # Who likes nothing gets what trends, whatever the bundle.
        models = {serving.bundle.version if serving.bundle else "cosine", "trending"}
        if found.model_version not in models or found.diversity != wish.diversity:
            return None
        if not self._may_show(found, wish.page_size, now):
            return None
        return MadeAhead(self._slate(found, now), digest[2])

    def _may_show(self, found: PrecomputedSlate, page_size: int, now: dt.datetime) -> bool:
        # A batch may have been asked for a day to come.
        is_of_now = -MAX_FUTURE <= now - found.as_of <= self.max_age
        is_explored = any(item.action_propensity != 1 for item in found.items)
        is_enough = found.is_whole or len(found.items) >= page_size
        return is_of_now and is_enough and (self.explores or not is_explored)

    def _slate(self, found: PrecomputedSlate, now: dt.datetime) -> Slate:
        fallback = found.fallback_reason
        if fallback is FallbackReason.NONE and self.use is PrecomputedUse.OVERLOAD:
            fallback = FallbackReason.OVERLOAD
        return Slate(
            slate_id="",
            user_id=found.user_id,
            digest_id=found.digest_id,
            model_version=found.model_version,
            features_version=found.features_version,
            fallback_reason=fallback,
            as_of=found.as_of,
            created_at=now,
            request_hash="",
            pending_paper_count=found.pending_paper_count,
            items=found.items,
            features=found.features,
        )
