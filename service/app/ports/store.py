"""The database of the service, and a transaction over all its stores."""

import datetime as dt
from collections.abc import Sequence
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
    """One unit of work over all tables.

    Attributes:
        papers: Papers, their aliases, vectors and upvote snapshots.
        digests: Digests.
        users: Users: their events, preferences and state.
        ledger: The signal ledger: recorded events of users, to list and to delete.
        signals: Trend signals.
        slates: Served slates.
        precomputed: Precomputed slates.
        statistics: Versions of the statistics of the catalog.
        keys: API keys and granted certificates.
        audit: The audit log.
        models: Registered models.
        libraries: Synced libraries.
    """

    papers: PaperStore
    digests: DigestStore
    users: UserStore
    ledger: LedgerStore
    signals: SignalStore
    slates: SlateStore
    precomputed: PrecomputedStore
    statistics: StatisticsStore
    keys: KeyStore
    audit: AuditStore
    models: ModelStore
    libraries: LibraryStore

    def versions(self, user_id: str, digest_id: str) -> Versions:
        """Return the versions of a user and a digest (the newest for an empty id). Reads indexed rows at once."""

    def versions_of(self, user_ids: Sequence[str], digest_id: str) -> list[Versions]:
        """Return the result of ``versions`` for each of one or more users, with two statements at most."""


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
