"""Texts without a vector in the order of paper ids, so that a batch job can embed a catalog in ranges.

``SqlPapers.claim_pending`` returns the oldest texts first and skips all finished ones in each call. That suits the few
new papers of a running service, but takes quadratic time for a million papers.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, and_, bindparam, exists, func, not_, select

from service.app.ports import PendingText
from service.domain.papers import embedding_text
from service.storage.tables import embedding_jobs, embeddings, papers

_ROWS_AT_A_TIME = 5_000

_HAS_VECTOR = exists().where(embeddings.c.encoder == bindparam("encoder"), embeddings.c.paper_id == papers.c.paper_id)
_IS_FAILED = exists().where(
    embedding_jobs.c.encoder == bindparam("encoder"),
    embedding_jobs.c.paper_id == papers.c.paper_id,
    embedding_jobs.c.is_failed,
)
_IS_PENDING = and_(not_(_HAS_VECTOR), not_(_IS_FAILED))
_SIZES = (
    select(papers.c.paper_id, (func.length(papers.c.title) + func.length(papers.c.abstract)).label("size"))
    .where(_IS_PENDING)
    .order_by(papers.c.paper_id)
    .execution_options(yield_per=_ROWS_AT_A_TIME)
)
_TEXTS = (
    select(papers.c.paper_id, papers.c.title, papers.c.abstract, papers.c.text_hash)
    .where(papers.c.paper_id > bindparam("after"), papers.c.paper_id <= bindparam("until"), _IS_PENDING)
    .order_by(papers.c.paper_id)
    .limit(bindparam("limit"))
)


def pending_sizes(connection: Connection, encoder: str) -> Iterator[tuple[str, int]]:
    """See ``PaperStore.pending_sizes``."""
    for row in connection.execute(_SIZES, {"encoder": encoder}):
        yield row.paper_id, row.size


def pending_between(connection: Connection, encoder: str, after: str, until: str, limit: int) -> list[PendingText]:
    """See ``PaperStore.pending_between``."""
    bounds = {"encoder": encoder, "after": after, "until": until, "limit": limit}
    return [
        PendingText(row.paper_id, embedding_text(row.title, row.abstract), row.text_hash)
        for row in connection.execute(_TEXTS, bounds)
    ]
