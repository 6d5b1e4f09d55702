"""The database of the service, and a transaction over all its stores."""

import datetime as dt
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from service.app.ports.callers import AuditStore, KeyStore
from service.app.ports.digests import DigestStore
from service.app.ports.ledger import LedgerStore
from service.app.ports.libraries import LibraryStore
from service.app.ports.models import ModelStore
from service.app.ports.papers import PaperStore
from service.app.ports.signals import SignalStore
from service.app.ports.slates import PrecomputedStore, SlateStore
from service.app.ports.statistics import StatisticsStore
from service.app.ports.users import UserStore


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of a user, a digest and all signals, which tell whether cached values are still valid.

    Attributes:
        user: None for an unknown user.
        digest: (id, version, date); None if there is no digest.
        mark: (version, sequence) of all signals. The version increases when a paper's signals must be read again,
            because upvotes were added or events deleted. The sequence increases with every recorded event.
        has_precomputed: Whether a precomputed slate of the user and digest is stored, outdated or not.
    """

    user: int | None
    digest: tuple[str, int, dt.date] | None
    mark: tuple[int, int]
    has_precomputed: bool


class Transaction(Protocol):
    """One unit of work over all tables."""

    def versions(self, user_id: str, digest_id: str) -> Versions:
        """Return the versions of a user and a digest (the newest for an empty id). Reads indexed rows at once."""

    @property
    def papers(self) -> PaperStore:
        """Papers, their aliases, vectors and upvote snapshots."""

    @property
    def digests(self) -> DigestStore:
        """Digests."""

    @property
    def users(self) -> UserStore:
        """Users: their events, preferences and state."""

    @property
    def ledger(self) -> LedgerStore:
        """The signal ledger: recorded events of users, to list and to delete."""

    @property
    def signals(self) -> SignalStore:
        """Trend signals."""

    @property
    def slates(self) -> SlateStore:
        """Served slates."""

    @property
    def precomputed(self) -> PrecomputedStore:
        """Precomputed slates."""

    @property
    def statistics(self) -> StatisticsStore:
        """Versions of the statistics of the catalog."""

    @property
    def keys(self) -> KeyStore:
        """API keys and granted certificates."""

    @property
    def audit(self) -> AuditStore:
        """The audit log."""

    @property
    def models(self) -> ModelStore:
        """Registered models."""

    @property
    def libraries(self) -> LibraryStore:
        """Synced libraries."""


class Store(Protocol):
    """The database of the service."""

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a read-only transaction on one consistent snapshot."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that may write; it commits at the end of the block.

        Raises:
            StorageUnavailable: The database is locked for too long, full or missing.
        """

    def page_token_key(self) -> bytes:
        """Return the secret that signs page tokens: created with the database and equal in every process."""
