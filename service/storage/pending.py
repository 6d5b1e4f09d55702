"""Texts that wait for a vector, in the order of the papers' ids: how a catalog is embedded in parts.

``SqlPapers.claim_pending`` gives the oldest first, and searches past all that is done for each batch: right for the few
new papers of a running service, quadratic for a million.
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
_WAITS = and_(not_(_HAS_VECTOR), not_(_IS_FAILED))
_SIZES = (
    select(papers.c.paper_id, (func.length(papers.c.title) + func.length(papers.c.abstract)).label("size"))
    .where(_WAITS)
    .order_by(papers.c.paper_id)
    .execution_options(yield_per=_ROWS_AT_A_TIME)
)
_TEXTS = (
    select(papers.c.paper_id, papers.c.title, papers.c.abstract, papers.c.text_hash)
    .where(papers.c.paper_id > bindparam("after"), papers.c.paper_id <= bindparam("until"), _WAITS)
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
