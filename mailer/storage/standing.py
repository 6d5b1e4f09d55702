"""The sent and unsent issues of each subscriber, and the replacement of unsent issues by a new one.

Every function works in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from mailer.domain.issue import Issue, IssueState
from mailer.storage import issues as outbox
from mailer.storage import subscribers
from mailer.storage.issues import StoredIssue
from mailer.storage.tables import issues

_LOST = (IssueState.FAILED, IssueState.CANCELLED)


@dataclass(frozen=True)
class Standing:
    """The issues of one subscriber.

    Attributes:
        newest: The newest issue in any state; None before the first.
        received: The newest issue that the SMTP server accepted.
        unsent: Issues made after ``received`` that the SMTP server has not accepted, earliest first.
    """

    newest: StoredIssue | None = None
    received: StoredIssue | None = None
    unsent: tuple[StoredIssue, ...] = ()

    @property
    def is_in_flight(self) -> bool:
        """Whether a sender has claimed an unsent issue, which the SMTP server may then accept at any moment."""
        return any(each.state is IssueState.CLAIMED for each in self.unsent)

    def has(self, digest_id: str) -> bool:
        """Return whether an issue of this digest was sent or will be sent."""
        found = (self.received, *self.unsent)
        return any(each is not None and each.digest_id == digest_id and each.state not in _LOST for each in found)


def of_subscribers(connection: Connection, subscriber_ids: Sequence[str]) -> dict[str, Standing]:
    """Return the standing of each subscriber who has any issue, by subscriber_id."""
    found: dict[str, Standing] = {}
    for issue in outbox.of_subscribers(connection, subscriber_ids):
        before = found.get(issue.subscriber_id, Standing())
        if issue.state is IssueState.SENT:
            found[issue.subscriber_id] = Standing(issue, issue)
        else:
            found[issue.subscriber_id] = Standing(issue, before.received, (*before.unsent, issue))
    return found


def add_in_place(connection: Connection, issue: Issue, unsent: Sequence[StoredIssue]) -> str:
    """Add the issue, and cancel the unsent issues whose papers it holds. Return the outcome.

    Outcomes: ``made``; ``has_it``, if there is an issue of this digest; ``left``, if the subscription is not active;
    ``in_flight``, if a sender has claimed one of ``unsent`` meanwhile, so that nothing was done. Earlier attempts count
    for the new issue too.
    """
    if not subscribers.is_active(connection, issue.subscriber_id):
        return "left"
    ids = [each.issue_id for each in unsent]
    columns = (issues.c.state, issues.c.attempt_count)
    # Locked, so that a sender claims these issues before or after this transaction.
    held = connection.execute(select(*columns).where(issues.c.issue_id.in_(ids)).with_for_update()).all() if ids else []
    if len(held) != len(ids) or any(row.state not in (IssueState.DUE, *_LOST) for row in held):
        return "in_flight"
    same_digest = [each.issue_id for each in unsent if each.digest_id == issue.digest_id]
    connection.execute(delete(issues).where(issues.c.issue_id.in_(same_digest)))
    attempts = max((row.attempt_count for row in held if row.state is IssueState.DUE), default=0)
    if not outbox.add(connection, issue, attempt_count=attempts):
        return "has_it"
    replaced = update(issues).where(issues.c.issue_id.in_(ids), issues.c.state == IssueState.DUE)
    connection.execute(replaced.values(state=IssueState.CANCELLED, problem=f"replaced by {issue.issue_id}"))
    return "made"


def count_served(connection: Connection, digest_id: str) -> int:
    """Return the number of issues of the digest that were sent or will be sent."""
    mine = (issues.c.digest_id == digest_id) & issues.c.state.not_in(_LOST)
    return connection.execute(select(func.count()).select_from(issues).where(mine)).scalar_one()


def waiting_subscribers(connection: Connection) -> frozenset[str]:
    """Return the ids of subscribers with an issue that waits for a sender."""
    statement = select(issues.c.subscriber_id).where(issues.c.state == IssueState.DUE).distinct()
    return frozenset(connection.execute(statement).scalars())


def note_returned(connection: Connection, issue: StoredIssue, problem: str) -> int:
    """Record that a sent issue bounced. Return how many of the subscriber's issues bounced in a row, with this one."""
    mine = issues.c.issue_id == issue.issue_id
    connection.execute(update(issues).where(mine).values(problem=f"returned: {problem}"[:500]))
    sent = (issues.c.subscriber_id == issue.subscriber_id) & (issues.c.state == IssueState.SENT)
    earlier = select(issues.c.problem).where(sent & (issues.c.created_at <= issue.created_at))
    count = 0
    for found in connection.execute(earlier.order_by(issues.c.created_at.desc())).scalars():
        if not found:
            break
        count += 1
    return count
