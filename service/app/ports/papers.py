"""The store of papers, with their aliases, vectors and upvote snapshots."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.app.ports.encoder import Vectors
from service.domain.papers import Paper, PaperMark, UpsertOutcome
from service.domain.search import SearchQuery


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

    def search(self, query: SearchQuery, *, offset: int, limit: int) -> list[str]:
        """Return ids of the papers that match, the best match first; equally good ones newest first, then by id.

        A paper matches if its title, authors and abstract together contain all wanted terms and no excluded one. The
        words of a term follow one another. Case, accents, punctuation and English endings make no difference. Matches
        in the title count most, then those in the authors' names; the exact order depends on the engine.
        """

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
