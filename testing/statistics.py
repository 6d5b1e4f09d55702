"""Statistics of the catalog for tests, stored as if they had been counted at a given time."""

import datetime as dt

from service.app.ports import Store
from service.app.statistics import KEPT, LEASE, count_catalog
from service.encoder.hashing import DIM, HashingEncoder


def put_statistics(store: Store, counted_at: dt.datetime, *, data: bytes | None = None) -> int:
    """Store a new version for the encoder ``hashing`` and return it.

    Args:
        data: Its bytes, for damaged statistics; None counts the catalog as it is.
    """
    encoder = HashingEncoder.name
    if data is None:
        statistics = count_catalog(store, encoder, DIM)
        assert statistics is not None
        data = statistics.to_bytes()
    with store.write() as tx:
        known = [each.version for each in tx.statistics.counted(encoder)]
        version = tx.statistics.claim(
            encoder,
            after=max(known, default=0),
            paper_count=tx.papers.count(),
            vector_version=tx.papers.vector_version(encoder),
            now=counted_at,
            lease=LEASE,
        )
        assert version is not None
        assert tx.statistics.put(version, data, now=counted_at, keep=KEPT)
    return version
