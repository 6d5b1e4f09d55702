"""The stores of served slates and of precomputed slates."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Protocol

from service.domain.feeds import PrecomputedSlate, Slate


class SlateStore(Protocol):
    """Served slates."""

    def add(self, slate: Slate, *, of_known_user: bool = False) -> bool:
        """Store a slate; return False and store nothing if ``of_known_user`` and the user no longer exists."""

    def find(self, slate_id: str, *, with_features: bool = False) -> Slate | None:
        """Return a stored slate, with features only if ``with_features``; None if there is none."""

    def recent_user_ids(self, *, slates: int) -> list[str]:
        """Return the users of the newest slates, each once, those with the newest slate first.

        Args:
            slates: Number of slates that are searched.
        """

    def of_user(self, user_id: str, *, with_features: bool = False) -> Iterator[Slate]:
        """Yield all slates of a user, oldest first, with features only if ``with_features``."""

    def of_user_after(self, user_id: str, after: tuple[dt.datetime, str] | None, *, limit: int) -> list[Slate]:
        """Return the user's first ``limit`` slates after (created_at, slate_id), oldest first, without features."""


class PrecomputedStore(Protocol):
    """Precomputed slates."""

    def put(self, slates: Sequence[PrecomputedSlate]) -> int:
        """Store slates of different users, each in place of the user's last one of that digest; return their number.

        Slates of users who were deleted or have another version by now are left out.
        """

    def find(self, user_id: str, digest_id: str) -> PrecomputedSlate | None:
        """Return the user's slate of the digest, outdated or not. Cheap: reads one indexed row."""

    def of_user_after(self, user_id: str, digest_id: str, *, limit: int) -> list[PrecomputedSlate]:
        """Return the user's first ``limit`` slates of digests with greater ids, ascending, outdated or not."""
