"""The audit log: entries of admin calls and deletions."""

from service.app.ports import Store
from service.domain.callers import AuditEntry


class AuditTrail:
    """Adds entries that no other transaction stores."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, entry: AuditEntry) -> None:
        """Store an entry.

        Raises:
            StorageUnavailable: The database does not answer.
        """
        with self._store.write() as tx:
            tx.audit.add(entry)
