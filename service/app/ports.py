"""What the use cases need of the outside: a store, an encoder, a clock. Adapters implement these; nothing else does.

A ``Store`` is safe to use from many threads. A ``Transaction`` belongs to one thread, sees its own writes, commits
when its ``with`` block ends well and leaves nothing behind when it ends with an error.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from service.domain.events import DeletedUser, Event, EventType, Preferences, Reaction, UserState
from service.domain.feeds import Slate
from service.domain.papers import Digest, Paper, PaperMark, UpsertOutcome
from service.domain.precomputed import PrecomputedSlate
from service.domain.signals import Activity, HeatingEvent

Vectors: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PendingText:
    """A paper whose text waits for a vector."""

    paper_id: str
    text: str
    text_hash: str


class PaperStore(Protocol):
    """Papers, their aliases, vectors and upvote snapshots."""

    def upsert(self, papers: Sequence[Paper], now: dt.datetime) -> list[tuple[str, UpsertOutcome]]:
        """Writes papers; gives (canonical id, outcome) in input order.

        A paper that shares an alias with a stored one (or with an earlier one of the call) is merged into it
        (``Paper.merged_into``). Writing the same again is UNCHANGED and writes nothing. A changed text sets the state
        to PENDING and the vectors of the old text no longer count; upvotes that differ from the last snapshot add one
        at ``now`` (those of a new paper at its ``first_seen_at``, if that is earlier). Digests that hold a changed
        paper get a new version. ``first_seen_at`` of a new paper is the given one, else ``now``.
        """

    def resolve(self, names: Sequence[str]) -> dict[str, str]:
        """Canonical ids of the names (ids or aliases) that are known; unknown names are left out."""

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Paper]:
        """Papers by canonical id; unknown ids are left out."""

    def page(self, *, after: str, limit: int) -> list[Paper]:
        """Papers with an id greater than ``after``, ascending."""

    def first_seen_between(self, start: dt.datetime, end: dt.datetime, *, limit: int) -> list[str]:
        """Ids of papers first seen in [start, end), newest first, ties by id."""

    def delete(self, paper_id: str) -> bool:
        """Removes a paper with its aliases, vectors, snapshots, places in digests and events; False when unknown.

        Slate items that name it stay (training rows) and are left out of what is shown.
        """

    def count(self) -> int:
        """Number of papers."""

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> dict[str, Vectors]:
        """Vectors of shape (dim,) that the encoder made of the papers' present text; papers without one left out."""

    def all_vectors(self, encoder: str) -> tuple[list[str], Vectors]:
        """Ids ascending and their (n, dim) vectors, of all papers whose present text the encoder has embedded."""

    def vector_parts(self, encoder: str) -> Iterator[tuple[list[str], Vectors]]:
        """The same in parts, ids ascending, for those who need not hold all of it twice."""

    def vector_version(self, encoder: str) -> int:
        """Grows whenever a vector of this encoder comes, changes or goes. Cheap: one indexed row."""

    def vectors_changed_since(self, encoder: str, version: int) -> list[str]:
        """Ids of the papers whose vectors came, changed or went after that version, in no order."""

    def claim_pending(self, encoder: str, *, limit: int, now: dt.datetime, lease: dt.timedelta) -> list[PendingText]:
        """Texts that this encoder has no vector of, oldest paper first, leased to the caller.

        Another caller, in any process, gets none of them until the lease ends. FAILED texts are not given.
        """

    def store_vectors(self, encoder: str, vectors: Mapping[str, tuple[str, Vectors]]) -> int:
        """Stores ``{paper_id: (text_hash, vector)}``; gives how many fitted.

        A vector of a text that was changed or deleted meanwhile is dropped. The papers become READY, leases end, and
        digests that hold them get a new version.
        """

    def marks(self, paper_ids: Sequence[str], encoder: str) -> dict[str, PaperMark]:
        """What tells whether these papers are as they were; ids that are gone are left out."""

    def mark_failed(self, encoder: str, paper_ids: Sequence[str]) -> None:
        """The encoder cannot embed these texts; they stay FAILED until their text changes."""

    def pending_count(self, encoder: str) -> int:
        """Texts that wait for a vector of this encoder (FAILED ones do not wait)."""

    def pending_sizes(self, encoder: str) -> Iterator[tuple[str, int]]:
        """(paper id, characters) of every text that waits, leased or not, ids ascending; read it to the end at once."""

    def pending_between(self, encoder: str, *, after: str, until: str, limit: int) -> list[PendingText]:
        """The first ``limit`` texts that wait, leased or not, of papers with ids in (after, until], ids ascending."""

    def encoders(self) -> dict[str, int]:
        """Number of current vectors by encoder name."""


class DigestStore(Protocol):
    """Dated candidate sets."""

    def save(self, digest: Digest, now: dt.datetime) -> tuple[Digest, UpsertOutcome]:
        """Creates the digest, or replaces the papers and titles of the one with this id if anything differs.

        Raises:
            NotFound: One of the papers is unknown (canonical ids are expected).
        """

    def find(self, digest_id: str) -> Digest | None:
        """The digest with its papers."""

    def find_newest(self) -> Digest | None:
        """The digest with the latest date, ties by latest creation, then by greatest id."""

    def find_version(self, digest_id: str) -> tuple[str, int, dt.date] | None:
        """(id, version, date) of the digest; of the newest one for an empty id. Cheap: one indexed row."""

    def page(self, *, after: tuple[dt.date, str] | None, limit: int) -> list[tuple[Digest, int]]:
        """(digest without its papers, number of papers), latest date first, ties by id; ``after`` is exclusive."""


class UserStore(Protocol):
    """Events, preferences and what follows from them."""

    def record(self, events: Sequence[Event], now: dt.datetime) -> list[bool]:
        """Stores events; True for each new one, False for one whose event_id is there already (first one wins).

        Creates users. Paper ids are canonical and known (the caller has resolved them).
        """

    def version(self, user_id: str) -> int | None:
        """The user's version; None for an unknown user. Cheap: one indexed row."""

    def find_state(self, user_id: str) -> UserState | None:
        """What the user's events and preferences say now; None for an unknown user.

        Per paper the latest of LIKE, UNLIKE, DISLIKE decides whether it is liked or disliked; time order, ties by
        arrival, unknown times first. SAVE counts as a like unless a later UNLIKE or DISLIKE took it back; DISMISS
        counts as a dislike unless a later LIKE. ``hidden_paper_ids`` has every paper now liked, saved, dismissed,
        disliked, sent or complained about.
        """

    def find_states(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        """The same for many users in a few statements; unknown users are left out."""

    def lock_preferences(self, user_id: str, now: dt.datetime) -> Preferences:
        """The preferences, to be changed: until the transaction ends nobody else changes the user. Creates the user."""

    def save_preferences(self, user_id: str, preferences: Preferences, now: dt.datetime) -> None:
        """Replaces the preferences; creates the user if needed."""

    def page_ids(self, *, after: str, limit: int) -> list[str]:
        """User ids greater than ``after``, ascending."""

    def event_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Number of events of each user; users without any are left out."""

    def events(self, user_id: str, *, batch_size: int = 1000) -> Iterator[Event]:
        """All events of one user in the order of arrival."""

    def events_after(self, user_id: str, sequence: int, *, limit: int) -> list[tuple[int, Event]]:
        """(sequence, event) of the user's first ``limit`` events after that sequence, in the order of arrival."""

    def reactions(self, kinds: Collection[EventType]) -> Iterator[Reaction]:
        """All events of these kinds by anybody, in the order of arrival; streamed, so read them to the end at once."""

    def delete(self, user_id: str, clock: "Clock") -> bool:
        """Removes the user with events, preferences and slates, leaves a tombstone; False when there was nothing.

        The clock is read when nothing is waited for any more, so tombstones by one clock appear in their order.
        """

    def deleted(
        self, *, since: dt.datetime | None, after: tuple[dt.datetime, str] | None, limit: int
    ) -> list[DeletedUser]:
        """Tombstones with deleted_at at or after ``since``, in order of (deleted_at, hash); ``after`` is exclusive."""


class SignalStore(Protocol):
    """What a trend is made of: upvote snapshots, and the likes, saves and clicks of readers.

    Events without a time count for no trend: when they were hot is not known.
    """

    def mark(self) -> tuple[int, int]:
        """(version, sequence), by which to tell whether anything changed. Cheap: two indexed rows in one statement.

        The version grows when a paper's signals are to be read anew (new upvotes, events gone), the sequence with every
        recorded event.
        """

    def changed_since(self, version: int) -> list[str]:
        """Ids of the papers whose signals are to be read anew since that version, in no order."""

    def events_since(self, sequence: int, *, limit: int) -> list[tuple[str, HeatingEvent]]:
        """(paper id, event) of the first ``limit`` events after that sequence, in order of arrival."""

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Activity]:
        """All signals of papers; those without any are left out."""


class SlateStore(Protocol):
    """Slates as served."""

    def add(self, slate: Slate, *, of_known_user: bool = False) -> bool:
        """Stores a slate; False, and nothing stored, where its user should be known and is not any more."""

    def find(self, slate_id: str, *, with_features: bool = False) -> Slate | None:
        """A stored slate; features are left empty unless asked for."""

    def of_user(self, user_id: str, *, with_features: bool = False) -> Iterator[Slate]:
        """All slates of one user, oldest first; features are left empty unless asked for."""

    def of_user_after(self, user_id: str, after: tuple[dt.datetime, str] | None, *, limit: int) -> list[Slate]:
        """The user's first ``limit`` slates after that (created_at, slate_id), oldest first, without features."""


class PrecomputedStore(Protocol):
    """Slates made ahead of time."""

    def put(self, slates: Sequence[PrecomputedSlate]) -> int:
        """Stores slates of different users, each in place of the user's last one of that digest; gives how many.

        Left out are those of users who are gone or have another version by now.
        """

    def find(self, user_id: str, digest_id: str) -> PrecomputedSlate | None:
        """The user's slate of the digest, whatever has changed since. Cheap: one indexed row."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What tells whether what is kept of a user, a digest and all signals still holds.

    Attributes:
        user: None for an unknown user.
        digest: (id, version, date); None where there is none.
        mark: See ``SignalStore.mark``.
        is_made_ahead: Whether a precomputed slate of the user and the digest is stored, whatever it was made from.
    """

    user: int | None
    digest: tuple[str, int, dt.date] | None
    mark: tuple[int, int]
    is_made_ahead: bool


class Transaction(Protocol):
    """One unit of work over all tables."""

    def versions(self, user_id: str, digest_id: str) -> Versions:
        """Of a user and a digest, the newest one for an empty id. Cheap: indexed rows in one statement."""

    @property
    def papers(self) -> PaperStore:
        """Papers, their aliases, vectors and upvotes."""

    @property
    def digests(self) -> DigestStore:
        """Dated candidate sets."""

    @property
    def users(self) -> UserStore:
        """Events and preferences."""

    @property
    def signals(self) -> SignalStore:
        """What a trend is made of."""

    @property
    def slates(self) -> SlateStore:
        """Slates as served."""

    @property
    def precomputed(self) -> PrecomputedStore:
        """Slates made ahead of time."""


class Store(Protocol):
    """A database that keeps what the service knows."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that only reads (one consistent snapshot)."""

    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that may write; commits at the end of the block.

        Raises:
            StorageUnavailable: The database is locked for too long, full or gone.
        """

    def page_token_key(self) -> bytes:
        """The secret, made with the database, that signs page tokens; the same in every process."""


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Stored with every vector; another name means another space."""

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """Unit vectors of shape (len(texts), dim), float32, C order, in the order of the texts.

        Raises:
            EncoderUnavailable: It cannot be loaded or does not match its hashes.
            DeadlineTooShort: It did not end in time.
            Overloaded: Too many calls wait already.
        """

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """As ``encode``, but every waiting ``encode`` goes first."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> dt.datetime:
        """UTC, aware."""
