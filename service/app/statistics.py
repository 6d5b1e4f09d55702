"""Counting of the statistics of the catalog: when they are due, what is counted, and the thread that does it.

See docs/adr/0022: the newest papers are counted as a whole each time, so the cost does not grow with the catalog.
"""

import contextlib
import datetime as dt
import logging
import time
from collections.abc import Callable

import numpy as np

from ranker.spaces.statistics import CorpusStatistics, StatisticsCounter
from service.app.ports import Clock, StatisticsVersion, Store, Transaction
from service.app.ranking.placing import with_pauses
from service.app.ranking.serving import Serving, ServingSlot
from service.app.rounds import Rounds
from service.domain.errors import StorageUnavailable
from service.domain.papers import embedding_text

MIN_VECTORS = 50
"""Number of papers with a vector before which nothing is counted: the bundle's own statistics, which count as 300
papers, would hardly change, and a small catalog grows by a tenth with every few papers."""
COUNTED_PAPERS = 20_000
"""Maximum number of papers counted, the newest ones."""
MAX_AGE = dt.timedelta(days=1)
"""Age at which statistics are counted again if a vector has changed."""
KEPT = dt.timedelta(days=30)
"""How long a version is kept, for requests with an ``as_of`` in the past."""
LEASE = dt.timedelta(minutes=10)
"""Age at which a claim is void. Counting takes seconds."""
PAPERS_AT_A_TIME = 100
"""Number of papers of one read transaction."""
TEXTS_AT_A_TIME = 4
"""Number of texts between two pauses."""
_ALL_TIME = dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
_log = logging.getLogger("paperfeed.statistics")


def is_due(tx: Transaction, encoder: str, newest: StatisticsVersion | None, now: dt.datetime) -> bool:
    """Return whether the statistics must be counted.

    They are due if there are none, if the catalog has grown or shrunk by a tenth, or if they are a day old and a vector
    has changed since. The first two wait until no text is pending, so that a long import is counted once. A day is
    the longest wait; without statistics, a first full sample is.
    """
    if newest is None:
        vector_count = tx.papers.encoders().get(encoder, 0)
        return vector_count >= COUNTED_PAPERS or (vector_count >= MIN_VECTORS and not tx.papers.pending_count(encoder))
    if tx.papers.vector_version(encoder) == newest.vector_version:
        return False
    if now - newest.counted_at >= MAX_AGE:
        return True
    change = abs(tx.papers.count() - newest.paper_count)
    return 10 * change >= newest.paper_count and not tx.papers.pending_count(encoder)


def count_if_due(
    store: Store, serving: Serving, clock: Clock, *, stopping: Callable[[], bool] = lambda: False
) -> int | None:
    """Count the catalog and store the statistics if they are due and no other process is counting.

    Returns:
        The new version; None if nothing was stored. Without a bundle nothing is counted.
    """
    if serving.bundle is None:
        return None
    encoder, now = serving.encoder, clock.now()
    with store.read() as tx:
        newest = next(iter(tx.statistics.counted(encoder)), None)
        if not is_due(tx, encoder, newest, now):
            return None
    with store.write() as tx:
        version = tx.statistics.claim(
            encoder,
            after=newest.version if newest else 0,
            paper_count=tx.papers.count(),
            vector_version=tx.papers.vector_version(encoder),
            now=now,
            lease=LEASE,
        )
    if version is None:
        return None
    started = time.monotonic()
    statistics = None
    try:
        statistics = count_catalog(store, encoder, serving.bundle.spaces.embedding_dim, stopping=stopping)
    finally:
        if statistics is None:
            with store.write() as tx:
                tx.statistics.give_up(version)
    if statistics is None:
        return None
    data = statistics.to_bytes()
    with store.write() as tx:
        if not tx.statistics.put(version, data, now=clock.now(), keep=KEPT):
            return None
    facts = {
        "statistics_version": version,
        "counted": statistics.paper_count,
        "vectors": statistics.vector_count,
        "bytes": len(data),
        "seconds": round(time.monotonic() - started, 1),
    }
    _log.info("statistics of the catalog counted", extra={"facts": facts})
    return version


def count_catalog(
    store: Store, encoder: str, embedding_dim: int, *, stopping: Callable[[], bool] = lambda: False
) -> CorpusStatistics | None:
    """Return the statistics of the newest papers by ``first_seen_at``; None if ``stopping`` returned True.

    Papers are read in short transactions, so papers that are written or deleted meanwhile may be counted or not. Papers
    without a vector of this length are counted by their text alone.
    """
    with store.read() as tx:
        paper_ids = tx.papers.first_seen_between(*_ALL_TIME, limit=COUNTED_PAPERS)
    counter = StatisticsCounter(embedding_dim, len(paper_ids))
    for first in range(0, len(paper_ids), PAPERS_AT_A_TIME):
        if stopping():
            return None
        chosen = paper_ids[first : first + PAPERS_AT_A_TIME]
        with store.read() as tx:
            papers, vectors = tx.papers.find_many(chosen), tx.papers.vectors(chosen, encoder)
        texts = [embedding_text(papers[name].title, papers[name].abstract) for name in chosen if name in papers]
        fitting = [vector for vector in vectors.values() if vector.shape == (embedding_dim,)]
        units = np.array(fitting, dtype=np.float32).reshape(len(fitting), embedding_dim)
        counter.add(with_pauses(texts, at_a_time=TEXTS_AT_A_TIME), units)
    return counter.finish()


class StatisticsKeeper(Rounds):
    """A background thread of every server process, which switches to the newest statistics of the catalog.

    Args:
        counts: Whether it also counts the catalog when that is due.
    """

    def __init__(
        self, store: Store, serving: ServingSlot, clock: Clock, *, counts: bool, poll_seconds: float = 10.0
    ) -> None:
        super().__init__("statistics", _log, "counting the catalog failed; it will be tried again", poll_seconds)
        self._store = store
        self._serving = serving
        self._clock = clock
        self._counts = counts

    def _round(self) -> None:
        # The store logs each outage once. The next round tries again.
        with contextlib.suppress(StorageUnavailable):
            if self._counts:
                count_if_due(self._store, self._serving.current, self._clock, stopping=self._stopping.is_set)
            self._serving.catch_up()
