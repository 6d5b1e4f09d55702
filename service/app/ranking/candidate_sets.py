"""Candidate sets of feeds: the papers of a digest, which are cached, or papers first seen in a time window."""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from itertools import chain, islice
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
MAX_JOINED_PAPERS = 10_000
WIDE_WINDOW_PAPERS = 1_000
"""A feed over a window of more papers takes seconds, because window candidates are not cached."""
WIDE_RETRY_SECONDS = 5.0
CACHED_DIGESTS = 16
KEPT_BYTES = 128 * 2**20
"""Limit for all cached digests together, beside the limit of ``CACHED_DIGESTS``."""
DIGEST_BYTES, PAPER_BYTES = 800_000, 16_000
"""Approximate memory of a cached digest: a fixed part and a part per paper."""


class CandidateSets:
    """Finds the candidate papers of feeds. Thread safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._digests: VersionedCache[str, KeptDigest] = VersionedCache(KEPT_BYTES, _bytes_of, CACHED_DIGESTS)
        self._wide_window = threading.Lock()

    def of_digest(
        self, tx: Transaction, serving: Serving, versions: Versions, digest_id: str
    ) -> tuple[Candidates, dt.date | None]:
        """Return the papers of a digest and its date; no papers and None if there is no digest yet.

        Args:
            versions: Current versions, read with the same ``digest_id``.
            digest_id: Empty for the newest digest.

        Raises:
            NotFound: There is no digest with this id.
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
            candidates = Candidates.load(tx, serving, digest.paper_ids if digest else (), [found_id])
            kept = self._digests.put(found_id, key, KeptDigest(candidates))
        return kept.with_signals(tx, versions.mark), date

    def of_digests(
        self, tx: Transaction, serving: Serving, digest_ids: Sequence[str]
    ) -> tuple[Candidates, dt.date | None]:
        """Return the papers of several digests, each paper once, and the latest date of the digests.

        If there are more than ``MAX_JOINED_PAPERS``, those of the digests named first are returned.

        Args:
            digest_ids: Different digests; empty returns no papers and None.

        Raises:
            NotFound: There is no digest with one of these ids.
        """
        versions = [tx.versions("", digest_id) for digest_id in digest_ids]
        found = [each.digest for each in versions if each.digest]
        for digest_id, each in zip(digest_ids, versions, strict=True):
            if each.digest is None:
                raise NotFound("digest", digest_id, field="digest_ids")
        if not found:
            return Candidates.build(serving, [], {}), None
        if len(found) == 1:
            return self.of_digest(tx, serving, versions[0], digest_ids[0])
        # No id contains white space.
        name, key = " ".join(digest_ids), (tuple(version for _, version, _ in found), serving.generation)
        kept = self._digests.find(name, key)
        if kept is None:
            digests = [digest for digest_id in digest_ids if (digest := tx.digests.find(digest_id))]
            paper_ids = dict.fromkeys(chain.from_iterable(digest.paper_ids for digest in digests))
            candidates = Candidates.load(tx, serving, list(islice(paper_ids, MAX_JOINED_PAPERS)), digest_ids)
            kept = self._digests.put(name, key, KeptDigest(candidates))
        return kept.with_signals(tx, versions[0].mark), max(date for _, _, date in found)

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
