"""Logs of what changed, by which caches in every process are kept up to date. One row for each thing that ever changed.

A row keeps the version of the last change only and is never deleted: the greatest version must never come twice.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, text

from service.storage.dialects import chunks, insert
from service.storage.tables import embeddings, signal_changes, vector_changes

_LOCK_SIGNALS = text("SELECT pg_advisory_xact_lock(70460003, hashtext(current_schema()))")


def lock_signals(connection: Connection) -> None:
    """Makes this transaction the only one that writes events and snapshots, until it ends.

    On PostgreSQL a smaller number could otherwise become visible after a greater one, and who has read up to the
    greater would never see it. To be taken after all other locks, or two transactions could wait for each other.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_SIGNALS)


def log_signals(connection: Connection, paper_ids: Sequence[str]) -> None:
    """The signals of these papers are to be read anew; needs ``lock_signals``."""
    if not paper_ids:
        return
    version = connection.execute(select(func.coalesce(func.max(signal_changes.c.version), 0) + 1)).scalar_one()
    statement = insert(connection, signal_changes)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["paper_id"], set_={"version": statement.excluded.version}),
        [{"paper_id": paper_id, "version": version} for paper_id in sorted(set(paper_ids))],
    )


def log_vectors(connection: Connection, encoder: str, paper_ids: Sequence[str]) -> None:
    """The vectors that the encoder made of these papers came, changed or went; needs the lock of the catalogue."""
    if not paper_ids:
        return
    newest = select(func.coalesce(func.max(vector_changes.c.version), 0) + 1).where(vector_changes.c.encoder == encoder)
    version = connection.execute(newest).scalar_one()
    statement = insert(connection, vector_changes)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["encoder", "paper_id"], set_={"version": statement.excluded.version}
        ),
        [{"encoder": encoder, "paper_id": paper_id, "version": version} for paper_id in paper_ids],
    )


def log_all_vectors(connection: Connection, paper_ids: Sequence[str]) -> None:
    """As ``log_vectors``, for every encoder that has a vector of one of the papers; before the vectors go."""
    by_encoder: dict[str, list[str]] = {}
    for chunk in chunks(paper_ids):
        held = select(embeddings.c.encoder, embeddings.c.paper_id).where(embeddings.c.paper_id.in_(chunk))
        for encoder, paper_id in connection.execute(held):
            by_encoder.setdefault(encoder, []).append(paper_id)
    for encoder in sorted(by_encoder):
        log_vectors(connection, encoder, by_encoder[encoder])
