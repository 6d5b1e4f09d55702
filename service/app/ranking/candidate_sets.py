"""Candidate sets of feeds: the papers of a digest, which are cached, or papers first seen in a time window."""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import chain, islice
from typing import TypeAlias

from service.app.background import started
from service.app.cache import CachesByOwner, VersionedCache
from service.app.ports import Clock, Store, Transaction, Versions
from service.app.ranking.candidates import Candidates
from service.app.ranking.served_model import Loaded, Serving
from service.app.ranking.signals import KeptDigest, with_signals
from service.domain.errors import NotFound, Overloaded
from telemetry.record import recorder

Window: TypeAlias = tuple[dt.datetime, dt.datetime | None]
"""First-seen times [start, end); an end of None means now."""
MAX_WINDOW_PAPERS = 10_000
MAX_JOINED_PAPERS = 10_000
WIDE_WINDOW_PAPERS = 1_000
"""A feed over a window of more papers takes seconds, because window candidates are not cached."""
WIDE_RETRY_SECONDS = 5.0
WIDE_DIGEST_PAPERS = 1_000
"""A digest of more papers is placed by a thread of its own: each takes half a millisecond of processor time."""
CACHED_DIGESTS = 16
KEPT_BYTES = 512 * 2**20
"""Limit for all cached digests of one bundle together, beside the limit of ``CACHED_DIGESTS``. Two of the largest
digests and many small ones fit, so that those in use stay. Memory is taken only by digests that were asked for."""
DIGEST_BYTES, PAPER_BYTES = 800_000, 18_000
"""Approximate memory of a cached digest: a fixed part and a part per paper."""


_Digests: TypeAlias = VersionedCache[tuple[str, ...], KeptDigest]


class BeingPlaced(Exception):
    """The candidates of a large digest are being prepared; call again when ``done`` has ended.

    Attributes:
        done: Future of the preparation; has its error if it failed.
    """

    def __init__(self, done: "Future[KeptDigest]") -> None:
        super().__init__("the digest is being prepared")
        self.done = done


class CandidateSets:
    """Finds the candidate papers of feeds. Thread safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._digests = CachesByOwner[_Digests](lambda: VersionedCache(KEPT_BYTES, _bytes_of, CACHED_DIGESTS))
        self._wide_window = threading.Lock()
        self._placing: dict[tuple[Loaded, tuple[str, ...]], Future[KeptDigest]] = {}
        self._placing_changes = threading.Lock()
        self._one_at_a_time = threading.Lock()

    @property
    def cache_bytes(self) -> int:
        """Approximate memory of the cached digests."""
        return sum(cache.size for cache in self._digests.all())

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
        return self._kept(tx, serving, (found_id,), (version,)).with_signals(tx, versions.mark), date

    def of_digests(
        self, tx: Transaction, serving: Serving, digest_ids: Sequence[str]
    ) -> tuple[Candidates, dt.date | None]:
        """Return the papers of several digests, each paper once, and the latest date of the digests.

        If there are more than ``MAX_JOINED_PAPERS``, those of the digests named first are returned.

        Args:
            digest_ids: Different digests; empty returns no papers and None.

        Raises:
            NotFound: There is no digest with one of these ids.
            BeingPlaced: There are many papers, and they are not in memory.
        """
        versions = [tx.versions("", digest_id) for digest_id in digest_ids]
        found = [each.digest for each in versions if each.digest]
        for digest_id, each in zip(digest_ids, versions, strict=True):
            if each.digest is None:
                raise NotFound("digest", digest_id, field="digest_ids")
        if not found:
            return Candidates.build(serving, [], {}), None
        kept = self._kept(tx, serving, tuple(digest_ids), tuple(version for _, version, _ in found))
        return kept.with_signals(tx, versions[0].mark), max(date for _, _, date in found)

    def _kept(
        self, tx: Transaction, serving: Serving, digest_ids: tuple[str, ...], versions: tuple[int, ...]
    ) -> KeptDigest:
        """Return the joined candidates of digests, from memory, or prepared now if they are few."""
        key, digests = (versions, serving.generation), self._digests.of(serving.loaded)
        kept = digests.find(digest_ids, key)
        if kept is None:
            paper_ids, _ = _joined(tx, digest_ids)
            if len(paper_ids) > WIDE_DIGEST_PAPERS:
                raise BeingPlaced(self._placed_soon(serving, digest_ids))
            kept = digests.get(digest_ids, key, lambda: self._placed(tx, serving, digest_ids, paper_ids))
        return kept

    def _placed_soon(self, serving: Serving, digest_ids: tuple[str, ...]) -> "Future[KeptDigest]":
        """Return the future of the running preparation of digests; start one if none is running."""
        work = (serving.loaded, digest_ids)
        with self._placing_changes:
            if work not in self._placing:
                self._placing[work] = started(lambda: self._place(serving, digest_ids), "placing")
            return self._placing[work]

    def _place(self, serving: Serving, digest_ids: tuple[str, ...]) -> KeptDigest:
        """Place the present versions of digests, one such work at a time."""
        try:
            with self._one_at_a_time, self._store.read() as tx:
                paper_ids, versions = _joined(tx, digest_ids)
                key = (versions, serving.generation)
                digests = self._digests.of(serving.loaded)
                kept = digests.get(digest_ids, key, lambda: self._placed(tx, serving, digest_ids, paper_ids))
                kept.with_signals(tx, tx.versions("", digest_ids[0]).mark).matrix.compute()
                return kept
        finally:
            # Done before waiting callers continue, so that one that finds a newer version starts new work.
            with self._placing_changes:
                del self._placing[serving.loaded, digest_ids]

    def _placed(
        self, tx: Transaction, serving: Serving, digest_ids: tuple[str, ...], paper_ids: Sequence[str]
    ) -> KeptDigest:
        """Place digests. Rows of papers that have not changed are taken from the last version."""
        last = self._digests.of(serving.loaded).last(digest_ids)
        before = last.candidates if last is not None and last.generation == serving.generation else None
        with recorder().stage("place", candidates=len(paper_ids)):
            return KeptDigest(Candidates.load(tx, serving, paper_ids, digest_ids, before=before), serving.generation)

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


def _joined(tx: Transaction, digest_ids: Sequence[str]) -> tuple[list[str], tuple[int, ...]]:
    """Return the papers of digests, each once, and the versions of the digests; deleted ones have none."""
    digests = [digest for digest_id in digest_ids if (digest := tx.digests.find(digest_id))]
    paper_ids = dict.fromkeys(chain.from_iterable(digest.paper_ids for digest in digests))
    return list(islice(paper_ids, MAX_JOINED_PAPERS)), tuple(digest.version for digest in digests)


def _bytes_of(kept: KeptDigest) -> int:
    return DIGEST_BYTES + PAPER_BYTES * len(kept.candidates.papers)
