"""The service's deletions, carried out here once each. Every function works in the caller's transaction."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from mailer.domain.subscription import ConsentKind
from mailer.storage.statements import insert_new
from mailer.storage.tables import consents, deletions, installation, subscribers

OVERLAP = dt.timedelta(minutes=10)
"""Deletions are read again from so long before the latest known one: one may become visible after a later one."""
_AT_A_TIME = 500
_GIVEN = (ConsentKind.REQUESTED, ConsentKind.CONFIRMED, ConsentKind.IMPORTED)


def read_from(connection: Connection) -> dt.datetime | None:
    """From when on deletions are to be read; None for all of them."""
    until: dt.datetime | None = connection.execute(select(installation.c.deleted_users_read_until)).scalar_one()
    return None if until is None else until - OVERLAP


def carry_out(connection: Connection, deleted: Sequence[tuple[str, dt.datetime]]) -> int:
    """Removes whoever was deleted and has not consented anew since; gives how many.

    A deletion that was carried out before does nothing: whoever has come back stays, whatever the clocks say.

    Args:
        deleted: (SHA-256 of the user_id in hexadecimal, when) of each.
    """
    new = {
        user_id_hash: at
        for user_id_hash, at in sorted(deleted, key=lambda each: each[1])
        if insert_new(connection, deletions, {"user_id_hash": user_id_hash, "deleted_at": at})
    }
    hashes, count = list(new), 0
    for start in range(0, len(hashes), _AT_A_TIME):
        given = func.max(consents.c.occurred_at).filter(consents.c.kind.in_(_GIVEN))
        statement = (
            select(
                subscribers.c.subscriber_id,
                subscribers.c.user_id_hash,
                subscribers.c.created_at,
                given.label("consented_at"),
            )
            .outerjoin(consents, consents.c.subscriber_id == subscribers.c.subscriber_id)
            .where(subscribers.c.user_id_hash.in_(hashes[start : start + _AT_A_TIME]))
            .group_by(subscribers.c.subscriber_id, subscribers.c.user_id_hash, subscribers.c.created_at)
        )
        gone = [
            row.subscriber_id
            for row in connection.execute(statement)
            if max(row.created_at, row.consented_at or row.created_at) <= new[row.user_id_hash]
        ]
        if gone:
            count += connection.execute(delete(subscribers).where(subscribers.c.subscriber_id.in_(gone))).rowcount
    _remember(connection, max((at for _, at in deleted), default=None))
    return count


def _remember(connection: Connection, latest: dt.datetime | None) -> None:
    """Moves on to the latest one, and forgets what will not be read again."""
    known: dt.datetime | None = connection.execute(select(installation.c.deleted_users_read_until)).scalar_one()
    if latest is None or (known is not None and latest <= known):
        return
    connection.execute(update(installation).values(deleted_users_read_until=latest))
    connection.execute(delete(deletions).where(deletions.c.deleted_at < latest - OVERLAP))
