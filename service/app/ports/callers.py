"""The stores of API keys and of the audit log."""

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from service.domain.callers import ApiKey, AuditEntry


class KeyStore(Protocol):
    """API keys, and the scopes that are granted to client certificates."""

    def add(self, key: ApiKey) -> None:
        """Store a key."""

    def all(self) -> list[ApiKey]:
        """Return all keys, also revoked and expired ones, oldest first."""

    def revoke(self, key_id: str, now: dt.datetime) -> bool:
        """Revoke a key; return False if the key is unknown. A key that was revoked before keeps its time."""

    def note_use(self, used: Mapping[str, dt.datetime]) -> None:
        """Store the time of the last use of keys, by id, where it is later than the stored one."""


class AuditStore(Protocol):
    """The audit log. Entries are added and pruned, and never changed."""

    def add(self, entry: AuditEntry) -> None:
        """Store an entry."""

    def newest(
        self, *, limit: int, since: dt.datetime | None = None, action: str = "", target: str = ""
    ) -> list[AuditEntry]:
        """Return the latest entries, newest first.

        Args:
            since: Earliest time of an entry; None means all.
            action: If given, only entries of this action.
            target: If given, only entries with this target.
        """
