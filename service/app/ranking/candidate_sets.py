"""Candidate sets of feeds: the papers of a digest, which are cached, or papers first seen in a time window."""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import TypeAlias

from service.app.cache import VersionedCache
from service.app.ports import Clock, Store, Transaction, Versions
from service.app.ranking.candidates import Candidates
from service.app.ranking.serving import Serving
from service.app.ranking.signals import KeptDigest, with_signals
from service.domain.errors import NotFound, Overloaded

Window: TypeAlias = tuple[dt.datetime, dt.datetime | None]
"""First-seen times [start, end); an end of None means now."""
MAX_WINDOW_PAPERS = 10_000
WIDE_WINDOW_PAPERS = 1_000
"""A feed over a window of more papers takes seconds, because window candidates are not cached."""
WIDE_RETRY_SECONDS = 5.0
WIDE_DIGEST_PAPERS = 1_000
"""A digest of more papers is placed by a thread of its own: each takes half a millisecond of processor time."""
CACHED_DIGESTS = 16
KEPT_BYTES = 512 * 2**20
"""Limit for all cached digests together, beside the limit of ``CACHED_DIGESTS``. Two of the largest digests and many
small ones fit, so that those in use stay. Memory is taken only by digests that were asked for."""
DIGEST_BYTES, PAPER_BYTES = 800_000, 18_000
"""Approximate memory of a cached digest: a fixed part and a part per paper."""


class BeingPlaced(Exception):
    """The candidates of a large digest are being placed; the call can be made when ``done`` is done.

    Attributes:
        done: Ends with the error of placing, if there was one.
    """

    def __init__(self, done: "Future[KeptDigest]") -> None:
        super().__init__("the digest is being placed")
        self.done = done


class CandidateSets:
    """Finds the candidate papers of feeds. Thread safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._digests: VersionedCache[str, KeptDigest] = VersionedCache(KEPT_BYTES, _bytes_of, CACHED_DIGESTS)
        self._wide_window = threading.Lock()
        self._placing: dict[str, Future[KeptDigest]] = {}
        self._placing_changes = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def of_digest(
        self, tx: Transaction, serving: Serving, versions: Versions, digest_id: str
    ) -> tuple[Candidates, dt.date | None]:
        """Return the papers of a digest and its date; no papers and None if there is no digest yet.

        Args:
            versions: Current versions, read with the same ``digest_id``.
            digest_id: Empty for the newest digest.

        Raises:
            NotFound: There is no digest with this id.
            BeingPlaced: The digest is large and not in memory.
        """
        if versions.digest is None:
            if digest_id:
                raise NotFound("digest", digest_id, field="digest_id")
            return Candidates.build(serving, [], {}), None
        found_id, version, date = versions.digest
        key = (version, serving.generation)
        kept = self._digests.find(found_id, key)
        if kept is None:
            digest = tx.digests.find(found_id)
            paper_ids = digest.paper_ids if digest else ()
            if len(paper_ids) > WIDE_DIGEST_PAPERS:
                raise BeingPlaced(self._placed_soon(serving, found_id))
            kept = self._digests.get(found_id, key, lambda: self._placed(tx, serving, found_id, paper_ids))
        return kept.with_signals(tx, versions.mark), date

    def _placed_soon(self, serving: Serving, digest_id: str) -> "Future[KeptDigest]":
        """Return the present work on a digest; start it if there is none."""
        with self._placing_changes:
            found = self._placing.get(digest_id)
            if found is None:
                found = self._placing[digest_id] = Future()
                # One that stops waiting cancels nothing for the others.
                found.set_running_or_notify_cancel()
                # A daemon, so that a process that stops does not wait for it.
                work = threading.Thread(
                    target=self._place, args=(serving, digest_id, found), name="placing", daemon=True
                )
                work.start()
            return found

    def _place(self, serving: Serving, digest_id: str, done: "Future[KeptDigest]") -> None:
        """Place the present version of a digest, one digest at a time."""
        try:
            with self._one_at_a_time, self._store.read() as tx:
                digest = tx.digests.find(digest_id)
                paper_ids, version = (digest.paper_ids, digest.version) if digest else ((), 0)
                key = (version, serving.generation)
                kept = self._digests.get(digest_id, key, lambda: self._placed(tx, serving, digest_id, paper_ids))
                kept.with_signals(tx, tx.versions("", digest_id).mark).matrix.compute()
        except Exception as error:  # noqa: BLE001 (those who wait raise it)
            self._finish(digest_id)
            done.set_exception(error)
        else:
            self._finish(digest_id)
            done.set_result(kept)

    def _finish(self, digest_id: str) -> None:
        # Before those who wait go on: one that finds a newer version then starts new work.
        with self._placing_changes:
            del self._placing[digest_id]

    def _placed(self, tx: Transaction, serving: Serving, digest_id: str, paper_ids: Sequence[str]) -> KeptDigest:
        """Place a digest. Rows of papers that have not changed are taken from the last version."""
        last = self._digests.last(digest_id)
        before = last.candidates if last is not None and last.generation == serving.generation else None
        return KeptDigest(Candidates.load(tx, serving, paper_ids, digest_id, before=before), serving.generation)

    def of_window(self, tx: Transaction, serving: Serving, window: Window) -> Candidates:
        """Return the newest papers first seen in the window, at most ``MAX_WINDOW_PAPERS``."""
        return with_signals(tx, Candidates.load(tx, serving, self._seen_in(tx, window, MAX_WINDOW_PAPERS)))

    @contextlib.contextmanager
    def room_for(self, window: Window | None) -> Iterator[None]:
        """Hold this context while a feed is made: only one feed over a wide window may be made at a time.

        The limit keeps worker threads free for quick calls.

        Raises:
            Overloaded: Another feed over a wide window is being made.
        """
        if window is None or not self._is_wide(window):
            yield
            return
        if not self._wide_window.acquire(blocking=False):
            raise Overloaded("feeds over many papers", retry_after_seconds=WIDE_RETRY_SECONDS)
        try:
            yield
        finally:
            self._wide_window.release()

    def _is_wide(self, window: Window) -> bool:
        with self._store.read() as tx:
            return len(self._seen_in(tx, window, WIDE_WINDOW_PAPERS + 1)) > WIDE_WINDOW_PAPERS

    def _seen_in(self, tx: Transaction, window: Window, limit: int) -> list[str]:
        start, end = window
        return tx.papers.first_seen_between(start, end or self._clock.now(), limit=limit)


def _bytes_of(kept: KeptDigest) -> int:
    return DIGEST_BYTES + PAPER_BYTES * len(kept.candidates.papers)
