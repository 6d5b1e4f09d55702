"""Locks that order concurrent writers, and logs of changes that keep the caches of every process up to date.

A log has one row per thing that ever changed, with the version of its last change. Rows are never deleted, so that the
greatest version is never given twice.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from database.statements import put_rows, rows_in, wait_for_lock
from service.domain.errors import NotFound
from service.storage.tables import embeddings, papers, signal_changes, vector_changes


def lock_catalogue(connection: Connection) -> None:
    """Make this transaction the only one that writes papers, vectors, leases and digests, until it ends.

    PostgreSQL cannot lock rows that do not exist yet, so two writers of one new paper would meet at a unique index.
    Two workers with old snapshots could also claim the same text.
    """
    wait_for_lock(connection, 70460001)


def lock_signals(connection: Connection) -> None:
    """Make this transaction the only one that writes events and upvote snapshots, until it ends.

    On PostgreSQL a smaller version could otherwise become visible after a greater one, and a cache that has read the
    greater one would never see it. Take this lock after all others, or two transactions could wait for each other.
    """
    wait_for_lock(connection, 70460003)


def lock_papers(connection: Connection, paper_ids: Sequence[str]) -> None:
    """Lock the papers against deletion, until the transaction ends.

    Raises:
        NotFound: A paper is unknown. The error names the first one.
    """
    statement = select(papers.c.paper_id).order_by(papers.c.paper_id).with_for_update(read=True, key_share=True)
    found = {row.paper_id for row in rows_in(connection, statement, papers.c.paper_id, paper_ids)}
    for paper_id in paper_ids:
        if paper_id not in found:
            raise NotFound("paper", paper_id)


def log_signals(connection: Connection, paper_ids: Sequence[str]) -> None:
    """Log that the signals of these papers changed. Needs ``lock_signals``."""
    version = connection.execute(select(func.coalesce(func.max(signal_changes.c.version), 0) + 1)).scalar_one()
    rows = [{"paper_id": paper_id, "version": version} for paper_id in sorted(set(paper_ids))]
    put_rows(connection, signal_changes, rows)


def log_vectors(connection: Connection, encoder: str, paper_ids: Sequence[str]) -> None:
    """Log that the encoder's vectors of these papers were added, changed or deleted. Needs ``lock_catalogue``."""
    newest = select(func.coalesce(func.max(vector_changes.c.version), 0) + 1).where(vector_changes.c.encoder == encoder)
    version = connection.execute(newest).scalar_one()
    rows = [{"encoder": encoder, "paper_id": paper_id, "version": version} for paper_id in paper_ids]
    put_rows(connection, vector_changes, rows)


def log_all_vectors(connection: Connection, paper_ids: Sequence[str]) -> None:
    """Call ``log_vectors`` for every encoder that has vectors of the papers. Call this before deleting vectors."""
    by_encoder: dict[str, list[str]] = {}
    held = select(embeddings.c.encoder, embeddings.c.paper_id)
    for row in rows_in(connection, held, embeddings.c.paper_id, paper_ids):
        by_encoder.setdefault(row.encoder, []).append(row.paper_id)
    for encoder in sorted(by_encoder):
        log_vectors(connection, encoder, by_encoder[encoder])
