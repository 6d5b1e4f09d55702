"""Reactions of subscribers to the papers of issues, stored here first and then forwarded to the service."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Connection, func, select, update

from database.statements import insert_new
from mailer.domain.feed import Event
from mailer.storage.tables import reactions, subscribers

CLICK, MACHINE_CLICK = "mail-click-", "mail-scan-"
"""Prefixes of the event ids of clicks: those of subscribers, and those of programs that say so in their request."""


def add(connection: Connection, subscriber_id: str, issue_id: str, event: Event, *, is_scanner: bool = False) -> bool:
    """Store an event. Return False if it was stored before."""
    row = {name: value for name, value in vars(event).items() if name != "user_id"}
    row |= {"subscriber_id": subscriber_id, "issue_id": issue_id, "is_scanner": int(is_scanner), "problem": ""}
    return insert_new(connection, reactions, row)


def add_click(connection: Connection, subscriber_id: str, issue_id: str, event: Event) -> None:
    """Store a click that looks like the subscriber's. If the hour's click was marked as a scanner's, unmark it."""
    if add(connection, subscriber_id, issue_id, event):
        return
    same, is_waiting = reactions.c.event_id == event.event_id, reactions.c.forwarded_at.is_(None)
    marked = same & is_waiting & (reactions.c.is_scanner == 1)
    connection.execute(update(reactions).where(marked).values(is_scanner=0, occurred_at=event.occurred_at))


def latest(connection: Connection, issue_id: str) -> dict[str, str]:
    """Return the type of the last reaction that is no click, by paper_id, for the papers of the issue."""
    deliberate = (reactions.c.issue_id == issue_id) & (reactions.c.event_type != "click")
    statement = select(reactions.c.paper_id, reactions.c.event_type).where(deliberate)
    ordered = statement.order_by(reactions.c.occurred_at, reactions.c.sequence)
    return {row.paper_id: row.event_type for row in connection.execute(ordered)}


def count(connection: Connection, issue_id: str, paper_id: str) -> int:
    """Return the number of reactions to a paper of the issue, without clicks."""
    about = (reactions.c.issue_id == issue_id) & (reactions.c.paper_id == paper_id)
    statement = select(func.count()).select_from(reactions).where(about & (reactions.c.event_type != "click"))
    return connection.execute(statement).scalar_one()


def clicks_since(connection: Connection, issue_id: str, since: dt.datetime) -> int:
    """Return the number of clicks on the issue since then that do not come from programs that say so."""
    recent = (reactions.c.issue_id == issue_id) & reactions.c.event_id.startswith(CLICK)
    statement = select(func.count()).select_from(reactions).where(recent & (reactions.c.occurred_at >= since))
    return connection.execute(statement).scalar_one()


def mark_scanner(connection: Connection, issue_id: str, since: dt.datetime) -> None:
    """Mark the clicks on the issue since then as a scanner's, unless they were forwarded already."""
    recent = (reactions.c.issue_id == issue_id) & (reactions.c.event_type == "click")
    unforwarded = recent & (reactions.c.occurred_at >= since) & reactions.c.forwarded_at.is_(None)
    connection.execute(update(reactions).where(unforwarded).values(is_scanner=1))


def waiting(connection: Connection, limit: int, clicks_before: dt.datetime) -> list[tuple[int, Event]]:
    """Return (sequence, event) of events that were not forwarded yet, earliest first, without a scanner's clicks.

    Args:
        clicks_before: Leave out later clicks, because a scanner is recognised only after some time.
    """
    unforwarded = reactions.c.forwarded_at.is_(None) & (reactions.c.is_scanner == 0)
    unforwarded &= (reactions.c.event_type != "click") | (reactions.c.occurred_at < clicks_before)
    columns = [subscribers.c.user_id if each.name == "user_id" else reactions.c[each.name] for each in fields(Event)]
    statement = select(reactions.c.sequence, *columns)
    joined = statement.join(subscribers, subscribers.c.subscriber_id == reactions.c.subscriber_id)
    found = connection.execute(joined.where(unforwarded).order_by(reactions.c.sequence).limit(limit))
    return [(sequence, Event(*values)) for sequence, *values in found]


def mark_forwarded(connection: Connection, sequences: Sequence[int], now: dt.datetime) -> None:
    """Mark events that were forwarded to the service."""
    connection.execute(update(reactions).where(reactions.c.sequence.in_(list(sequences))).values(forwarded_at=now))
