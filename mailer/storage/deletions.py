"""Deletions of users in the service, each carried out here once. Every function works in the caller's transaction."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from database.statements import chunks, insert_new
from mailer.domain.subscription import ConsentKind
from mailer.storage.tables import (
    confirmations,
    consents,
    deletions,
    installation,
    issue_papers,
    issues,
    reactions,
    subscribers,
)

OVERLAP = dt.timedelta(minutes=10)
"""Each read starts this long before the latest known deletion, because an earlier one may become visible later."""
_CONSENTS = (ConsentKind.REQUESTED, ConsentKind.CONFIRMED, ConsentKind.IMPORTED)


def read_from(connection: Connection) -> dt.datetime | None:
    """Return the time from which to read deletions; None to read all."""
    until: dt.datetime | None = connection.execute(select(installation.c.deleted_users_read_until)).scalar_one()
    return None if until is None else until - OVERLAP


def row_counts(connection: Connection, user_id: str) -> dict[str, int]:
    """Return the number of rows that are stored about a user of the service, by what they hold."""
    mine = select(subscribers.c.subscriber_id).where(subscribers.c.user_id == user_id).scalar_subquery()
    own_issues = select(issues.c.issue_id).where(issues.c.subscriber_id == mine)
    conditions = {
        "subscriptions": subscribers.c.user_id == user_id,
        "consents": consents.c.subscriber_id == mine,
        "confirmations": confirmations.c.subscriber_id == mine,
        "issues": issues.c.subscriber_id == mine,
        "issue_papers": issue_papers.c.issue_id.in_(own_issues),
        "reactions": reactions.c.subscriber_id == mine,
    }
    return {
        name: connection.execute(select(func.count()).where(condition)).scalar_one()
        for name, condition in conditions.items()
    }


def forget(connection: Connection, user_id: str) -> None:
    """Remove everything that is stored about a user of the service. Suppressed addresses stay, as hashes."""
    connection.execute(delete(subscribers).where(subscribers.c.user_id == user_id))


def carry_out(connection: Connection, deleted: Sequence[tuple[str, dt.datetime]]) -> int:
    """Remove subscribers whose user was deleted and who have not consented again since. Return their number.

    A deletion that was carried out before has no effect, so that a subscriber who has come back stays even if clocks
    differ.

    Args:
        deleted: At least one (SHA-256 of the user_id in hexadecimal, time of deletion) of each user.
    """
    new = {
        user_id_hash: at
        for user_id_hash, at in sorted(deleted, key=lambda each: each[1])
        if insert_new(connection, deletions, {"user_id_hash": user_id_hash, "deleted_at": at})
    }
    count = 0
    for hashes in chunks(list(new)):
        consented_at = func.max(consents.c.occurred_at).filter(consents.c.kind.in_(_CONSENTS))
        columns = (subscribers.c.subscriber_id, subscribers.c.user_id_hash, subscribers.c.created_at)
        statement = (
            select(*columns, consented_at.label("consented_at"))
            .outerjoin(consents, consents.c.subscriber_id == subscribers.c.subscriber_id)
            .where(subscribers.c.user_id_hash.in_(hashes))
            .group_by(*columns)
        )
        gone = [
            row.subscriber_id
            for row in connection.execute(statement)
            if max(row.created_at, row.consented_at or row.created_at) <= new[row.user_id_hash]
        ]
        if gone:
            count += connection.execute(delete(subscribers).where(subscribers.c.subscriber_id.in_(gone))).rowcount
    # Deletions that will not be read again are forgotten.
    since, latest = read_from(connection), max(at for _, at in deleted)
    if since is None or latest > since + OVERLAP:
        connection.execute(update(installation).values(deleted_users_read_until=latest))
        connection.execute(delete(deletions).where(deletions.c.deleted_at < latest - OVERLAP))
    return count
