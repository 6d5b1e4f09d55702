"""Embedding jobs in small ranges, and the vectors that they stored."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from batch.cluster import Cluster
from batch.embed.coordinator import Outcome, Watcher, run
from batch.embed.worker import Cargo, WorkerEncoder
from service.app.ports import Vectors
from service.domain.papers import embedding_text
from service.encoder import HashingEncoder
from service.storage import SqlStore
from tests.batch.embed.odd_encoders import NAME, NewEncoder
from tests.batch.worlds import DIGEST_SIZE, LIBRARY_SIZE

PAPERS = LIBRARY_SIZE + DIGEST_SIZE
RANGE_SIZE = 3_000
"""Characters of some ten papers."""


def embed(
    url: str,
    cluster: Cluster,
    open_encoder: Callable[[], WorkerEncoder] = NewEncoder,
    watch: Watcher = lambda _done, _total: None,
) -> Outcome:
    """Run the job in small ranges."""
    return run(Cargo(url, NAME, open_encoder), lambda: nullcontext(cluster), watch, range_size=RANGE_SIZE)


def stored(store: SqlStore, encoder: str = NAME) -> dict[str, Vectors]:
    """Return all vectors of the encoder."""
    with store.read() as tx:
        ids, vectors = tx.papers.all_vectors(encoder)
    return dict(zip(ids, vectors, strict=True))


def expected(store: SqlStore) -> dict[str, Vectors]:
    """Return the vector of each paper's present text."""
    with store.read() as tx:
        papers = tx.papers.page(after="", limit=10_000)
    vectors = HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in papers])
    return {paper.paper_id: vector for paper, vector in zip(papers, vectors, strict=True)}


def assert_whole(store: SqlStore) -> None:
    """Assert that every paper has the vector of its present text."""
    found, wanted = stored(store), expected(store)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[paper_id], wanted[paper_id]) for paper_id in wanted)
