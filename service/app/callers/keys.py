"""Use cases over API keys and granted certificates, for the command line."""

import datetime as dt
from collections.abc import Sequence

from service.app.ports import Clock, Store, Transaction
from service.domain.callers import (
    ApiKey,
    AuditEntry,
    check_caller_name,
    check_scopes,
    key_hash,
    new_key,
    new_key_id,
)
from service.domain.errors import InvalidField, NotFound

ACTOR = "command line"
"""Actor of the audit log's entries of commands that work on the database directly."""


class ApiKeys:
    """Creates, lists and revokes keys. Every change leaves an entry in the audit log, in the same transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(
        self, name: str, scopes: Sequence[str], *, certificate: str = "", expires_after: dt.timedelta | None = None
    ) -> tuple[ApiKey, str]:
        """Create an API key, or grant scopes to a client certificate; return it and the key's text.

        The text is returned here only: the database has its hash. It is empty for a certificate.

        Args:
            certificate: Common name or URI of a client certificate; empty for an API key.
            expires_after: Time that the key is valid; None means that it does not expire.

        Raises:
            InvalidField: The name or a scope cannot be used, or the certificate has scopes already.
        """
        key_id, now = new_key_id(), self._clock.now()
        text = "" if certificate else new_key(key_id)
        key = ApiKey(
            key_id=key_id,
            key_hash=key_hash(text) if text else None,
            certificate=check_caller_name(certificate, "certificate") if certificate else None,
            name=check_caller_name(name, "name"),
            scopes=check_scopes(scopes, "scope"),
            created_at=now,
            expires_at=None if expires_after is None else now + expires_after,
        )
        with self._store.write() as tx:
            for other in tx.keys.all():
                if key.certificate and other.certificate == key.certificate and other.is_valid(now):
                    raise InvalidField("certificate", f"has scopes already, by {other.key_id}; revoke that first")
            tx.keys.add(key)
            self._note(tx, "keys create", key_id, now)
        return key, text

    def all(self) -> list[ApiKey]:
        """Return all keys, also revoked and expired ones, oldest first."""
        with self._store.read() as tx:
            return tx.keys.all()

    def revoke(self, key_id: str) -> None:
        """Revoke a key. Safe to repeat.

        Raises:
            NotFound: The key is unknown.
        """
        with self._store.write() as tx:
            now = self._clock.now()
            if not tx.keys.revoke(key_id, now):
                raise NotFound("key", key_id)
            self._note(tx, "keys revoke", key_id, now)

    def _note(self, tx: Transaction, action: str, key_id: str, now: dt.datetime) -> None:
        tx.audit.add(AuditEntry(now, ACTOR, "", action, f"key:{key_id}", "OK"))
