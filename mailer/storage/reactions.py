"""What readers did with the papers of an issue: stored here first, then told to the service."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from mailer.domain.feed import Event
from mailer.storage.statements import insert_new
from mailer.storage.tables import reactions, subscribers

CLICK, MACHINE_CLICK = "mail-click-", "mail-scan-"
"""How event ids of clicks begin: those that look like a reader's, and those of what calls itself a machine."""


@dataclass(frozen=True)
class Waiting:
    """An event that the service does not know yet."""

    sequence: int
    event: Event


def add(connection: Connection, subscriber_id: str, issue_id: str, event: Event, *, is_scanner: bool = False) -> bool:
    """Stores it; False where it is there already."""
    row = {
        "event_id": event.event_id,
        "subscriber_id": subscriber_id,
        "issue_id": issue_id,
        "paper_id": event.paper_id,
        "slate_id": event.slate_id,
        "event_type": event.event_type,
        "is_scanner": int(is_scanner),
        "occurred_at": event.occurred_at,
        "problem": "",
    }
    return insert_new(connection, reactions, row)


def add_click(connection: Connection, subscriber_id: str, issue_id: str, event: Event) -> None:
    """Stores a click that looks like a reader's; where the hour's was taken for a scanner's, it counts after all."""
    if add(connection, subscriber_id, issue_id, event):
        return
    same, untold = reactions.c.event_id == event.event_id, reactions.c.forwarded_at.is_(None)
    taken = same & untold & (reactions.c.is_scanner == 1)
    connection.execute(update(reactions).where(taken).values(is_scanner=0, occurred_at=event.occurred_at))


def latest(connection: Connection, issue_id: str) -> dict[str, str]:
    """The last deliberate reaction to each paper of the issue: paper_id to event type."""
    deliberate = (reactions.c.issue_id == issue_id) & (reactions.c.event_type != "click")
    statement = select(reactions.c.paper_id, reactions.c.event_type).where(deliberate)
    ordered = statement.order_by(reactions.c.occurred_at, reactions.c.sequence)
    return {row.paper_id: row.event_type for row in connection.execute(ordered)}


def count(connection: Connection, issue_id: str, paper_id: str) -> int:
    """Deliberate reactions to a paper of the issue so far."""
    about = (reactions.c.issue_id == issue_id) & (reactions.c.paper_id == paper_id)
    statement = select(func.count()).select_from(reactions).where(about & (reactions.c.event_type != "click"))
    return connection.execute(statement).scalar_one()


def clicks_since(connection: Connection, issue_id: str, since: dt.datetime) -> int:
    """Clicks on papers of the issue since then that looked like a reader's, each by itself."""
    recent = (reactions.c.issue_id == issue_id) & reactions.c.event_id.startswith(CLICK)
    statement = select(func.count()).select_from(reactions).where(recent & (reactions.c.occurred_at >= since))
    return connection.execute(statement).scalar_one()


def mark_scanner(connection: Connection, issue_id: str, since: dt.datetime) -> None:
    """Clicks on the issue since then, told to nobody yet, were a machine's."""
    recent = (reactions.c.issue_id == issue_id) & (reactions.c.event_type == "click")
    untold = recent & (reactions.c.occurred_at >= since) & reactions.c.forwarded_at.is_(None)
    connection.execute(update(reactions).where(untold).values(is_scanner=1))


def waiting(connection: Connection, limit: int, clicks_before: dt.datetime | None = None) -> list[Waiting]:
    """Events not yet told, earliest first; never a scanner's.

    Args:
        clicks_before: Later clicks wait: whether a machine made them shows a little later.
    """
    untold = reactions.c.forwarded_at.is_(None) & (reactions.c.is_scanner == 0)
    if clicks_before is not None:
        untold &= (reactions.c.event_type != "click") | (reactions.c.occurred_at < clicks_before)
    columns = (
        reactions.c.sequence,
        reactions.c.event_id,
        subscribers.c.user_id,
        reactions.c.paper_id,
        reactions.c.event_type,
        reactions.c.occurred_at,
        reactions.c.slate_id,
    )
    joined = select(*columns).join(subscribers, subscribers.c.subscriber_id == reactions.c.subscriber_id)
    found = connection.execute(joined.where(untold).order_by(reactions.c.sequence).limit(limit))
    return [Waiting(row[0], Event(*row[1:])) for row in found]


def mark_forwarded(connection: Connection, sequences: Sequence[int], now: dt.datetime) -> None:
    """The service knows."""
    connection.execute(update(reactions).where(reactions.c.sequence.in_(list(sequences))).values(forwarded_at=now))
