"""The rule that decides when a precomputed slate is served instead of a new one."""

import datetime as dt
import enum
from collections.abc import Callable
from dataclasses import dataclass

from service.app.ports import Transaction, Versions
from service.app.ranking.serving import Serving
from service.domain.events import MAX_FUTURE
from service.domain.feeds import FallbackReason, PrecomputedSlate, Slate


class PrecomputedUse(enum.Enum):
    """When precomputed slates are served."""

    ALWAYS = "always"
    OVERLOAD = "overload"
    NEVER = "never"


@dataclass(frozen=True)
class Precomputed:
    """The rule for serving precomputed slates.

    Attributes:
        max_age: Maximum age of a slate; its ages and trends are those of its ``as_of``.
        is_busy: Returns whether the server is overloaded.
        explores: Whether slates with an explored place may be served.
    """

    use: PrecomputedUse
    max_age: dt.timedelta
    is_busy: Callable[[], bool] = lambda: False
    explores: bool = False

    @property
    def wanted(self) -> bool:
        """Whether a precomputed slate may be served now."""
        return self.use is PrecomputedUse.ALWAYS or (self.use is PrecomputedUse.OVERLOAD and self.is_busy())

    def find(
        self,
        tx: Transaction,
        serving: Serving,
        versions: Versions,
        user_id: str,
        *,
        diversity: float,
        page_size: int,
        now: dt.datetime,
    ) -> tuple[Slate, dt.date] | None:
        """Return the user's precomputed slate of the digest and the date of the digest; None if no slate matches.

        A slate does not match if the user's events or preferences, the digest or the bundle have changed. The returned
        slate has neither slate_id nor request_hash. Its fallback reason is OVERLOAD if it is served only for that. New
        statistics of the catalog do not matter: a slate of this morning stays valid, and names those it was made with.

        Args:
            versions: Current versions of the user and the digest.
            diversity: Diversity of the request, 0 to 1.
            page_size: Number of items that the slate must have, unless no candidates were left.
        """
        if not versions.has_precomputed or versions.digest is None:
            return None
        digest_id, digest_version, date = versions.digest
        found = tx.precomputed.find(user_id, digest_id)
        if found is None or (found.user_version, found.digest_version) != (versions.user, digest_version):
            return None
        # Users without likes get trending papers, whatever the bundle.
        models = {serving.bundle.version if serving.bundle else "cosine", "trending"}
        matches = (
            found.model_version in models
            and found.diversity == diversity
            # A batch job may have computed the slate for a future day.
            and -MAX_FUTURE <= now - found.as_of <= self.max_age
            and (found.is_whole or len(found.items) >= page_size)
            and (self.explores or all(item.action_propensity == 1 for item in found.items))
        )
        return (self._slate(found, now), date) if matches else None

    def _slate(self, found: PrecomputedSlate, now: dt.datetime) -> Slate:
        fallback = found.fallback_reason
        if fallback is FallbackReason.NONE and self.use is PrecomputedUse.OVERLOAD:
            fallback = FallbackReason.OVERLOAD
        return Slate(
            slate_id="",
            user_id=found.user_id,
            digest_ids=(found.digest_id,),
            model_version=found.model_version,
            features_version=found.features_version,
            fallback_reason=fallback,
            as_of=found.as_of,
            created_at=now,
            request_hash="",
            pending_paper_count=found.pending_paper_count,
            items=found.items,
            features=found.features,
            statistics_version=found.statistics_version,
        )
