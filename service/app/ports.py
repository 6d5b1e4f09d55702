"""Interfaces that the use cases need and adapters implement: store, encoder and clock.

A ``Store`` is thread safe. A ``Transaction`` belongs to one thread and sees its own writes. It commits at the end of
its ``with`` block, and rolls back if the block raises.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from service.domain.events import DeletedUser, Event, EventType, Preferences, Reaction, UserState
from service.domain.feeds import PrecomputedSlate, Slate
from service.domain.papers import Digest, Paper, PaperMark, UpsertOutcome
from service.domain.states import Activity, HeatingEvent

Vectors: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PendingText:
    """A paper whose text has no vector yet."""

    paper_id: str
    text: str
    text_hash: str


class PaperStore(Protocol):
    """Papers, their aliases, vectors and upvote snapshots."""

    def upsert(
        self, papers: Sequence[Paper], now: dt.datetime, fields: Collection[str] = ()
    ) -> list[tuple[str, UpsertOutcome]]:
        """Write papers; return (canonical id, outcome) of each in input order.

        A paper that shares an alias with a stored paper, or with an earlier one of the call, is merged into it
        (``Paper.merged_into`` with ``fields``). A paper without changes is UNCHANGED and writes nothing. A changed text
        sets the state to PENDING and invalidates the vectors of the old text. Upvotes that differ from the last
        snapshot add a snapshot at ``now``; for a new paper at its ``first_seen_at`` if that is earlier. Upvotes that
        are cleared delete all snapshots. Digests that contain a changed paper get a new version. A new paper without
        ``first_seen_at`` gets ``now``.
        """

    def resolve(self, names: Sequence[str]) -> dict[str, str]:
        """Return canonical ids by name (id or alias); leave out unknown names."""

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Paper]:
        """Return papers by canonical id; leave out unknown ids."""

    def page(self, *, after: str, limit: int) -> list[Paper]:
        """Return papers with ids greater than ``after``, ascending."""

    def first_seen_between(self, start: dt.datetime, end: dt.datetime, *, limit: int) -> list[str]:
        """Return ids of papers first seen in [start, end), newest first; ties in order of id."""

    def delete(self, paper_id: str) -> bool:
        """Delete a paper with its aliases, vectors, snapshots, digest entries and events; return False if unknown.

        Slate items of the paper stay as training rows, but are not shown.
        """

    def count(self) -> int:
        """Return the number of papers."""

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> dict[str, Vectors]:
        """Return the vector of each paper's present text by id; leave out papers without one.

        Vectors have the length that was stored: a caller must not rely on equal lengths.
        """

    def all_vectors(self, encoder: str) -> tuple[list[str], Vectors]:
        """Return the ids, ascending, and (n, dim) vectors of all papers whose present text the encoder has embedded."""

    def vector_parts(self, encoder: str) -> Iterator[tuple[list[str], Vectors]]:
        """Yield the result of ``all_vectors`` in parts, ids ascending, which takes less memory.

        Vectors that differ in length from the majority are left out.
        """

    def vector_version(self, encoder: str) -> int:
        """Return a number that increases when a vector of this encoder changes in any way. Reads one indexed row."""

    def vectors_changed_since(self, encoder: str, version: int) -> list[str]:
        """Return ids, in no order, of papers whose vectors were added, changed or deleted since the version."""

    def claim_pending(self, encoder: str, *, limit: int, now: dt.datetime, lease: dt.timedelta) -> list[PendingText]:
        """Lease texts without a vector of this encoder to the caller and return them, oldest paper first.

        Until the lease ends, no other caller in any process gets these texts. FAILED texts are left out.
        """

    def extend_leases(self, encoder: str, texts: Sequence[PendingText], *, until: dt.datetime) -> None:
        """Set the expiry of leases that have not expired yet to ``until``."""

    def end_leases(self, encoder: str, texts: Sequence[PendingText]) -> None:
        """Give claimed texts back, so that they can be claimed again at once."""

    def store_vectors(self, encoder: str, vectors: Mapping[str, tuple[str, Vectors]]) -> int:
        """Store ``{paper_id: (text_hash, vector)}``; return the number of vectors stored.

        Vectors of texts that were changed or deleted in the meantime are dropped. The papers become READY, their leases
        end, and digests that contain them get a new version.
        """

    def marks(self, paper_ids: Sequence[str], encoder: str) -> dict[str, PaperMark]:
        """Return marks by paper id, which change when the papers change; leave out unknown ids."""

    def odd_vectors(self, encoder: str, dim: int) -> list[str]:
        """Return ids, in no order, of papers whose vector does not have ``dim`` numbers. Reads the whole table."""

    def forget_vectors(self, encoder: str, paper_ids: Sequence[str]) -> None:
        """Delete the vectors of papers, so that they are embedded again. The papers become PENDING."""

    def mark_failed(self, encoder: str, paper_ids: Sequence[str]) -> None:
        """Mark papers as FAILED until their text changes, because the encoder cannot embed their text."""

    def pending_count(self, encoder: str) -> int:
        """Return the number of texts without a vector of this encoder, FAILED texts excluded."""

    def pending_sizes(self, encoder: str) -> Iterator[tuple[str, int]]:
        """Yield (paper id, number of characters) of all pending texts, leased or not, ids ascending.

        Read the iterator to its end without delay.
        """

    def pending_between(self, encoder: str, *, after: str, until: str, limit: int) -> list[PendingText]:
        """Return the first ``limit`` pending texts, leased or not, of papers with ids in (after, until], ascending."""

    def encoders(self) -> dict[str, int]:
        """Return the number of valid vectors by encoder name."""


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


class UserStore(Protocol):
    """Users: their events, preferences and state."""

    def record(self, events: Sequence[Event], now: dt.datetime) -> list[bool]:
        """Store events; return for each whether it is new. A repeated event (``Event.repeats``) is ignored.

        Creates users. Paper ids must be canonical and known.

        Raises:
            OtherEvent: The user has another event of this id. The transaction must be rolled back.
        """

    def version(self, user_id: str) -> int | None:
        """Return the user's version; None for an unknown user. Cheap: reads one indexed row."""

    def find_state(self, user_id: str) -> UserState | None:
        """Return the current state of a user; None for an unknown user.

        The latest LIKE, UNLIKE or DISLIKE decides whether a paper is liked or disliked. Events are in order of time,
        unknown times first, ties in order of arrival. SAVE counts as a like until a later UNLIKE or DISLIKE; DISMISS
        counts as a dislike until a later LIKE. ``hidden_paper_ids`` has all papers that are liked, saved, dismissed or
        disliked now, or that were sent or complained about.
        """

    def find_states(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        """Return states by user id, read in a few statements; leave out unknown users."""

    def lock_preferences(self, user_id: str, now: dt.datetime) -> Preferences:
        """Lock a user until the transaction ends and return the preferences. Creates the user if needed."""

    def save_preferences(self, user_id: str, preferences: Preferences, now: dt.datetime) -> None:
        """Replace the preferences; create the user if needed."""

    def page_ids(self, *, after: str, limit: int) -> list[str]:
        """Return user ids greater than ``after``, ascending."""

    def event_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of events by user id; leave out users without events."""

    def events(self, user_id: str, *, batch_size: int = 1000) -> Iterator[Event]:
        """Yield all events of a user in order of arrival."""

    def events_after(self, user_id: str, sequence: int, *, limit: int) -> list[tuple[int, Event]]:
        """Return (sequence, event) of the user's first ``limit`` events after a sequence, in order of arrival."""

    def reactions(self, kinds: Collection[EventType]) -> Iterator[Reaction]:
        """Yield all users' events of these types in order of arrival. Read the iterator to its end without delay."""

    def delete(self, user_id: str, clock: "Clock") -> bool:
        """Delete a user with events, preferences and slates and leave a tombstone; return False if unknown.

        The clock is read after all locks are taken, so that tombstones are committed in order of their times.
        """

    def deleted(
        self, *, since: dt.datetime | None, after: tuple[dt.datetime, str] | None, limit: int
    ) -> list[DeletedUser]:
        """Return tombstones from ``since`` on, in order of (deleted_at, hash), after the position ``after``."""


class SignalStore(Protocol):
    """Trend signals: upvote snapshots and the likes, saves and clicks of users. Events without a time are left out."""

    def changed_since(self, version: int) -> list[str]:
        """Return ids, in no order, of papers whose signals must be read again since the version."""

    def events_since(self, sequence: int, *, limit: int) -> list[tuple[str, HeatingEvent]]:
        """Return (paper id, event) of the first ``limit`` events after the sequence, in order of arrival."""

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Activity]:
        """Return all signals by paper id; leave out papers without signals."""


class SlateStore(Protocol):
    """Served slates."""

    def add(self, slate: Slate, *, of_known_user: bool = False) -> bool:
        """Store a slate; return False and store nothing if ``of_known_user`` and the user no longer exists."""

    def find(self, slate_id: str, *, with_features: bool = False) -> Slate | None:
        """Return a stored slate, with features only if ``with_features``; None if there is none."""

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


@dataclass(frozen=True, slots=True)
class StatisticsVersion:
    """Facts about one version of the statistics of the catalog.

    Attributes:
        version: From 1. A later count has a greater version, and no version is given twice.
        encoder: Name of the encoder whose vectors were counted.
        paper_count: Number of papers of the catalog when counting began. At most the newest 20,000 were counted.
        vector_version: Output of ``PaperStore.vector_version`` when counting began.
        counted_at: Time at which counting ended.
    """

    version: int
    encoder: str
    paper_count: int
    vector_version: int
    counted_at: dt.datetime


class StatisticsStore(Protocol):
    """Versions of the statistics of the catalog, and claims of processes that are counting."""

    def counted(self, encoder: str, *, by: dt.datetime | None = None) -> list[StatisticsVersion]:
        """Return the kept versions of an encoder, newest first; with ``by``, those counted at that time or before."""

    def data(self, version: int) -> bytes | None:
        """Return the output of ``CorpusStatistics.to_bytes`` that was stored; None if the version is not kept."""

    def claim(
        self, encoder: str, *, after: int, paper_count: int, vector_version: int, now: dt.datetime, lease: dt.timedelta
    ) -> int | None:
        """Return a new version for the caller to count; None if another process is counting or has counted.

        A claim that is as old as ``lease`` is void: it is deleted, and the process that had it cannot store its count.

        Args:
            after: Newest version that the caller knows, 0 if none. A newer counted version means that another process
                has counted since.
        """

    def give_up(self, version: int) -> None:
        """End a claim without statistics, so that another process can count at once."""

    def put(self, version: int, data: bytes, *, now: dt.datetime, keep: dt.timedelta) -> bool:
        """Store the statistics of a claimed version; return False and store nothing if the claim is void.

        Also deletes the versions that were counted before ``now - keep``, except the newest one of each encoder.
        """


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


class Encoder(Protocol):
    """Converts texts to unit vectors."""

    @property
    def name(self) -> str:
        """Name of the encoder, stored with every vector; vectors of different encoders cannot be compared."""

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """Return (len(texts), dim) unit vectors in the order of the texts, float32 in C order.

        Raises:
            EncoderUnavailable: The encoder cannot be loaded or does not match its hashes.
            DeadlineTooShort: The encoder did not finish in time.
            Overloaded: Too many calls are waiting already.
        """

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """Return vectors as ``encode`` without a deadline. Calls of ``encode`` go first, also between two slices."""


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> dt.datetime:
        """Return the current time as an aware UTC datetime."""
