"""The store of digests."""

import datetime as dt
from typing import Protocol

from service.domain.papers import Digest, UpsertOutcome


class DigestStore(Protocol):
    """Digests."""

    def save(self, digest: Digest, now: dt.datetime) -> tuple[Digest, UpsertOutcome]:
        """Create a digest, or replace papers and titles of the digest with this id if anything differs.

        Raises:
            NotFound: A paper is unknown; paper ids must be canonical.
        """

    def find(self, digest_id: str) -> Digest | None:
        """Return the digest with its papers; None if there is none."""

    def find_newest(self) -> Digest | None:
        """Return the digest with the latest date, then the latest creation, then the greatest id; None if none."""

    def page(self, *, after: tuple[dt.date, str] | None, limit: int) -> list[tuple[Digest, int]]:
        """Return (digest without its papers, number of papers) after the (date, id) ``after``.

        The latest date comes first; ties in order of id.
        """

    def delete(self, digest_id: str) -> bool:
        """Delete a digest, but not its papers and slates; return False if unknown.

        Precomputed slates stay until they are pruned. They are never served, because a later digest with this id has
        another version.
        """
