"""Confirmation messages to send. Every function works in the caller's transaction."""

import datetime as dt

from sqlalchemy import Connection, delete, insert, select, update

from mailer.storage.tables import confirmations


def add(connection: Connection, subscriber_id: str, now: dt.datetime) -> None:
    """Add a confirmation that is due now, in place of an earlier one of the subscriber."""
    remove(connection, subscriber_id)
    row = {"subscriber_id": subscriber_id, "attempt_count": 0, "next_attempt_at": now, "problem": ""}
    connection.execute(insert(confirmations), row)


def claim(connection: Connection, now: dt.datetime, again_at: dt.datetime, limit: int) -> list[tuple[str, int]]:
    """Claim due confirmations until ``again_at``. Return the (subscriber_id, number of earlier attempts) of each."""
    statement = select(confirmations.c.subscriber_id, confirmations.c.attempt_count)
    due = statement.where(confirmations.c.next_attempt_at <= now).order_by(confirmations.c.next_attempt_at).limit(limit)
    found = [(row[0], row[1]) for row in connection.execute(due.with_for_update(skip_locked=True))]
    taken = confirmations.c.subscriber_id.in_([subscriber_id for subscriber_id, _ in found])
    counted = confirmations.c.attempt_count + 1
    connection.execute(update(confirmations).where(taken).values(next_attempt_at=again_at, attempt_count=counted))
    return found


def postpone(connection: Connection, subscriber_id: str, until: dt.datetime, problem: str) -> None:
    """Make the confirmation due again at ``until``."""
    mine = confirmations.c.subscriber_id == subscriber_id
    connection.execute(update(confirmations).where(mine).values(next_attempt_at=until, problem=problem[:500]))


def remove(connection: Connection, subscriber_id: str) -> None:
    """Delete the confirmation, because it was sent or will never be sent."""
    connection.execute(delete(confirmations).where(confirmations.c.subscriber_id == subscriber_id))
