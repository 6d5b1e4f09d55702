"""Callers of the server: scopes, API keys, granted certificates, and the entries of the audit log."""

import datetime as dt
import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.errors import InvalidField

MAX_NAME_LENGTH = 100
_FORM = re.compile(r"pf_(?P<id>[0-9a-f]{8})_[0-9a-f]{64}")


class Scope(enum.Enum):
    """What a caller may do. The values are those of ``paperfeed keys create --scope``."""

    FEEDS_READ = "feeds:read"
    """Read papers, digests, feeds and the profiles of users."""
    EVENTS_WRITE = "events:write"
    """Record and delete events, and change the preferences of users."""
    CATALOG_WRITE = "catalog:write"
    """Write and delete papers and digests."""
    USERS_ADMIN = "users:admin"
    """Export and delete users."""
    MODELS_ADMIN = "models:admin"
    """List, register, promote and roll back models."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: Name of the API key or certificate; empty for a caller without identity.
        key_id: Id of the key or of the certificate's grant; empty for a caller without identity.
        limited_as: Callers with the same text share their limits: the id, or the address of a caller without identity.
    """

    name: str
    key_id: str
    scopes: frozenset[Scope]
    limited_as: str

    @property
    def shown_name(self) -> str:
        """The name; for a caller without identity, the address."""
        return self.name or self.limited_as


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored API key, or the scopes that are granted to a client certificate.

    Attributes:
        key_hash: Hexadecimal SHA-256 of the key; None for a certificate.
        certificate: Common name or URI of the client certificate; None for an API key.
        scopes: Values of ``Scope``, in ascending order. A name of a newer version grants nothing.
        expires_at: None if the key does not expire.
        last_used_at: Time of the last call, up to a minute old; None if the key was never used.
    """

    key_id: str
    key_hash: str | None
    certificate: str | None
    name: str
    scopes: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None
    last_used_at: dt.datetime | None = None

    def is_valid(self, now: dt.datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_hash_of(self, text: str) -> bool:
        """Return whether ``text`` is this API key. The comparison takes the same time for every wrong key."""
        return self.key_hash is not None and hmac.compare_digest(self.key_hash, key_hash(text))

    def caller(self) -> Caller:
        """Return the caller that this key identifies."""
        known = {scope.value: scope for scope in Scope}
        scopes = frozenset(known[name] for name in self.scopes if name in known)
        return Caller(self.name, self.key_id, scopes, self.key_id)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One admin call or deletion.

    Attributes:
        actor: Name of the caller; of a caller without identity, the address.
        key_id: Empty for a caller without identity.
        action: RPC such as ``ProfileService/DeleteUser``, or command such as ``keys create``.
        target: ``KIND:ID``, such as ``paper:p1``. A user is named by the SHA-256 of the id, as in a tombstone, so that
            the log keeps no id of a deleted user. Empty if the call was refused before its message was read.
        outcome: Name of the status code that the call ended with.
    """

    recorded_at: dt.datetime
    actor: str
    key_id: str
    action: str
    target: str
    outcome: str


def new_key_id() -> str:
    """Return a random id of a key or of a certificate's grant: 8 hexadecimal digits."""
    return secrets.token_hex(4)


def new_key(key_id: str) -> str:
    """Return a new API key, ``pf_ID_SECRET``, whose secret has 256 random bits."""
    return f"pf_{key_id}_{secrets.token_hex(32)}"


def key_id_of(text: str) -> str | None:
    """Return the id in the API key; None if the text does not have the form of a key."""
    found = _FORM.fullmatch(text)
    return None if found is None else found["id"]


def key_hash(text: str) -> str:
    """Return the hexadecimal SHA-256 of an API key, in which form it is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_caller_name(text: str, field: str) -> str:
    """Return the trimmed name of a key or certificate; raise InvalidField if it is empty, too long or unprintable."""
    text = text.strip()
    if not text or not text.isprintable() or len(text) > MAX_NAME_LENGTH:
        raise InvalidField(field, f"must have 1 to {MAX_NAME_LENGTH} printable characters")
    return text


def check_scopes(names: Sequence[str], field: str) -> tuple[str, ...]:
    """Return the names of scopes, sorted and each once; raise InvalidField if there is none or one is unknown."""
    known = [scope.value for scope in Scope]
    if unknown := sorted(set(names) - set(known)):
        raise InvalidField(field, f"'{unknown[0]}' is none of {', '.join(known)}")
    if not names:
        raise InvalidField(field, f"name at least one of {', '.join(known)}")
    return tuple(sorted(set(names)))
