"""Issues and the outbox. Every function works in the caller's transaction.

A mailer claims issues for the time of a lease, so several mailers can work on one outbox. Issues that a killed mailer
had claimed are free again when the lease ends.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update

from database.statements import insert_new
from mailer.domain.feed import Event
from mailer.domain.issue import Issue, IssuePaper, IssueState
from mailer.domain.subscription import SubscriptionState
from mailer.storage.tables import issue_papers, issues, subscribers


@dataclass(frozen=True)
class Claimed:
    """An issue that its owner may send now. ``attempt_count`` is the number of earlier attempts."""

    issue_id: str
    address: str
    content: bytes
    attempt_count: int


@dataclass(frozen=True)
class StoredIssue:
    """An issue without its content."""

    issue_id: str
    subscriber_id: str
    digest_id: str
    slate_id: str
    message_id: str
    subject: str
    state: IssueState
    created_at: dt.datetime
    sent_at: dt.datetime | None


_HEAD = [issues.c[field.name] for field in fields(StoredIssue)]


def add(connection: Connection, issue: Issue, *, attempt_count: int = 0) -> bool:
    """Add an issue that is due now. Return False if the subscriber already has an issue of this digest."""
    row = {name: value for name, value in vars(issue).items() if name != "papers"}
    row |= {"state": IssueState.DUE, "attempt_count": attempt_count, "next_attempt_at": issue.created_at}
    if not insert_new(connection, issues, {**row, "owner": "", "problem": ""}):
        return False
    papers = [{"issue_id": issue.issue_id, **vars(paper)} for paper in issue.papers]
    if papers:
        connection.execute(insert(issue_papers), papers)
    return True


def claim(connection: Connection, owner: str, now: dt.datetime, lease: dt.timedelta, limit: int) -> list[Claimed]:
    """Claim up to ``limit`` due issues, longest due first. Cancel issues whose subscription is not active any more."""
    free = or_(
        and_(issues.c.state == IssueState.DUE, issues.c.next_attempt_at <= now),
        and_(issues.c.state == IssueState.CLAIMED, issues.c.leased_until <= now),
    )
    wanted = select(issues.c.issue_id).where(free).order_by(issues.c.next_attempt_at, issues.c.issue_id).limit(limit)
    # SQLite ignores the row lock; its write transactions exclude one another anyway.
    ids = list(connection.execute(wanted.with_for_update(skip_locked=True)).scalars())
    if not ids:
        return []
    gone = select(subscribers.c.subscriber_id).where(subscribers.c.state != SubscriptionState.ACTIVE)
    left = issues.c.issue_id.in_(ids) & issues.c.subscriber_id.in_(gone)
    _change(connection, left, state=IssueState.CANCELLED, leased_until=None)
    active = issues.c.issue_id.in_(ids) & (issues.c.state != IssueState.CANCELLED)
    _change(connection, active, state=IssueState.CLAIMED, owner=owner, leased_until=now + lease)
    statement = select(issues.c.issue_id, subscribers.c.address, issues.c.content, issues.c.attempt_count)
    joined = statement.join(subscribers, subscribers.c.subscriber_id == issues.c.subscriber_id)
    found = connection.execute(joined.where(active).order_by(issues.c.next_attempt_at))
    return [Claimed(*row) for row in found]


def renew(connection: Connection, owner: str, now: dt.datetime, lease: dt.timedelta) -> set[str]:
    """Extend the lease of the owner's issues. Return their ids."""
    _change(connection, _held_by(owner), leased_until=now + lease)
    return set(connection.execute(select(issues.c.issue_id).where(_held_by(owner))).scalars())


def mark_sent(connection: Connection, issue_id: str, now: dt.datetime) -> None:
    """Mark an issue that the SMTP server has accepted, even if another mailer holds the lease by now."""
    values = {"state": IssueState.SENT, "sent_at": now, "leased_until": None, "problem": ""}
    _change(connection, issues.c.issue_id == issue_id, attempt_count=_ONE_MORE, **values)


def mark_failed(connection: Connection, issue_id: str, owner: str, problem: str) -> None:
    """Mark an issue that will never be sent."""
    values = {"state": IssueState.FAILED, "leased_until": None, "problem": problem[:500]}
    _change(connection, _held_by(owner) & (issues.c.issue_id == issue_id), attempt_count=_ONE_MORE, **values)


def postpone(connection: Connection, issue_id: str, owner: str, until: dt.datetime, problem: str) -> None:
    """Count one more attempt, and make the issue due again at ``until``."""
    values = _due_again(until, problem)
    _change(connection, _held_by(owner) & (issues.c.issue_id == issue_id), attempt_count=_ONE_MORE, **values)


def release(connection: Connection, owner: str, now: dt.datetime, problem: str) -> None:
    """Make all issues that the owner holds due at once, without counting an attempt."""
    _change(connection, _held_by(owner), **_due_again(now, problem))


def counts(connection: Connection, now: dt.datetime) -> dict[str, int]:
    """Return the numbers of issues that are due now (``due``), ``later`` or ``claimed``, or sent but ``unreported``."""
    due = and_(issues.c.state == IssueState.DUE, issues.c.next_attempt_at <= now)
    later = and_(issues.c.state == IssueState.DUE, issues.c.next_attempt_at > now)
    unreported = and_(issues.c.state == IssueState.SENT, issues.c.reported_at.is_(None))
    conditions = {"due": due, "later": later, "claimed": issues.c.state == IssueState.CLAIMED, "unreported": unreported}
    return {
        name: connection.execute(select(func.count()).select_from(issues).where(condition)).scalar_one()
        for name, condition in conditions.items()
    }


def unreported(connection: Connection, limit: int) -> list[StoredIssue]:
    """Return sent issues that were not reported to the service yet, earliest first."""
    waiting = (issues.c.state == IssueState.SENT) & issues.c.reported_at.is_(None)
    return _stored(connection, select(*_HEAD).where(waiting).order_by(issues.c.sent_at, issues.c.issue_id).limit(limit))


def mark_reported(connection: Connection, issue_ids: Sequence[str], now: dt.datetime) -> None:
    """Mark issues that were reported to the service."""
    _change(connection, issues.c.issue_id.in_(list(issue_ids)), reported_at=now)


def find(connection: Connection, issue_id: str) -> StoredIssue | None:
    """Return the issue of this id."""
    return next(iter(_stored(connection, select(*_HEAD).where(issues.c.issue_id == issue_id))), None)


def find_by_message_id(connection: Connection, message_id: str) -> StoredIssue | None:
    """Return the issue of the Message-ID that a bounce names."""
    return next(iter(_stored(connection, select(*_HEAD).where(issues.c.message_id == message_id))), None)


def of_subscribers(connection: Connection, subscriber_ids: Sequence[str]) -> list[StoredIssue]:
    """Return all issues of these subscribers, earliest first."""
    statement = select(*_HEAD).where(issues.c.subscriber_id.in_(list(subscriber_ids)))
    return _stored(connection, statement.order_by(issues.c.created_at, issues.c.issue_id))


def list_of(connection: Connection, subscriber_id: str, limit: int) -> list[StoredIssue]:
    """Return the sent issues of a subscriber, newest first."""
    mine = (issues.c.subscriber_id == subscriber_id) & (issues.c.state == IssueState.SENT)
    return _stored(connection, select(*_HEAD).where(mine).order_by(issues.c.created_at.desc()).limit(limit))


def papers_of(connection: Connection, issue_id: str) -> list[IssuePaper]:
    """Return the papers of an issue, in order."""
    columns = (issue_papers.c.position, issue_papers.c.paper_id, issue_papers.c.title, issue_papers.c.url)
    statement = select(*columns).where(issue_papers.c.issue_id == issue_id).order_by(issue_papers.c.position)
    return [IssuePaper(*row) for row in connection.execute(statement)]


def paper_events(
    connection: Connection, issue: StoredIssue, user_id: str, event_type: str, at: dt.datetime
) -> list[Event]:
    """Return an event of this type on each paper of the issue, in order."""
    return [
        Event(
            f"mail-{event_type}-{issue.issue_id}-{each.position}",
            user_id,
            each.paper_id,
            event_type,
            at,
            issue.slate_id,
        )
        for each in papers_of(connection, issue.issue_id)
    ]


def prune(connection: Connection, before: dt.datetime) -> int:
    """Delete issues that were made before this time. Return their number."""
    return connection.execute(delete(issues).where(issues.c.created_at < before)).rowcount


_ONE_MORE = issues.c.attempt_count + 1


def _change(connection: Connection, condition: ColumnElement[bool], **values: Any) -> None:
    connection.execute(update(issues).where(condition).values(**values))


def _due_again(at: dt.datetime, problem: str) -> dict[str, Any]:
    values = {"state": IssueState.DUE, "leased_until": None, "owner": ""}
    return {**values, "next_attempt_at": at, "problem": problem[:500]}


def _held_by(owner: str) -> ColumnElement[bool]:
    return (issues.c.state == IssueState.CLAIMED) & (issues.c.owner == owner)


def _stored(connection: Connection, statement: Select[Any]) -> list[StoredIssue]:
    return [StoredIssue(*row) for row in connection.execute(statement)]
