"""What a reader has been sent and what not, and a new issue in place of what was not.

Every function works in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from mailer.domain.issue import Issue, IssueState
from mailer.storage import issues as outbox
from mailer.storage import subscribers as readers
from mailer.storage.issues import StoredIssue
from mailer.storage.tables import issues

_UNSENT = (IssueState.DUE, IssueState.FAILED, IssueState.CANCELLED)


@dataclass(frozen=True)
class Standing:
    """How a reader stands.

    Attributes:
        newest: Whatever its state; None before the first.
        received: The newest that the SMTP server accepted.
        unsent: Made after ``received`` and never accepted, earliest first.
        is_in_flight: A sender holds one of ``unsent``, so it may be accepted at any moment.
    """

    newest: StoredIssue | None = None
    received: StoredIssue | None = None
    unsent: tuple[StoredIssue, ...] = ()

    @property
    def is_in_flight(self) -> bool:
        """See above."""
        return any(each.state is IssueState.CLAIMED for each in self.unsent)

    def has(self, digest_id: str) -> bool:
        """Whether there is an issue of this digest that was sent or still will be."""
        found = (self.received, *self.unsent)
        lost = (IssueState.FAILED, IssueState.CANCELLED)
        return any(each is not None and each.digest_id == digest_id and each.state not in lost for each in found)


def of_readers(connection: Connection, subscriber_ids: Sequence[str]) -> dict[str, Standing]:
    """By subscriber_id; whoever has no issue at all is left out."""
    found: dict[str, Standing] = {}
    for issue in outbox.of_readers(connection, subscriber_ids):
        before = found.get(issue.subscriber_id, Standing())
        if issue.state is IssueState.SENT:
            found[issue.subscriber_id] = Standing(issue, issue)
        else:
            found[issue.subscriber_id] = Standing(issue, before.received, (*before.unsent, issue))
    return found


def add_in_place(connection: Connection, issue: Issue, unsent: Sequence[StoredIssue]) -> str:
    """Adds the issue, and cancels those that it holds the papers of; gives what became of it.

    ``made``; ``has_it``: there is one of this digest; ``left``: the reader is gone or wants none; ``in_flight``: a
    sender has taken one of ``unsent`` meanwhile, so nothing was done. Attempts made so far count for the new one too.
    """
    if not readers.is_active(connection, issue.subscriber_id):
        return "left"
    ids = [each.issue_id for each in unsent]
    columns = (issues.c.state, issues.c.attempt_count)
    # Locked: what a sender takes now it takes before or after, never in between.
    held = connection.execute(select(*columns).where(issues.c.issue_id.in_(ids)).with_for_update()).all() if ids else []
    if len(held) != len(ids) or any(row.state not in _UNSENT for row in held):
        return "in_flight"
    same_digest = [each.issue_id for each in unsent if each.digest_id == issue.digest_id]
    connection.execute(delete(issues).where(issues.c.issue_id.in_(same_digest)))
    attempts = max((row.attempt_count for row in held if row.state is IssueState.DUE), default=0)
    if not outbox.add(connection, issue, attempt_count=attempts):
        return "has_it"
    waiting = issues.c.issue_id.in_(ids) & (issues.c.state == IssueState.DUE)
    values = {"state": IssueState.CANCELLED, "problem": f"replaced by {issue.issue_id}"}
    connection.execute(update(issues).where(waiting).values(**values))
    return "made"


def count_served(connection: Connection, digest_id: str) -> int:
    """Issues of the digest that were sent or still will be."""
    lost = (IssueState.FAILED, IssueState.CANCELLED)
    mine = (issues.c.digest_id == digest_id) & issues.c.state.not_in(lost)
    return connection.execute(select(func.count()).select_from(issues).where(mine)).scalar_one()


def waiting_readers(connection: Connection) -> frozenset[str]:
    """The ids of readers with an issue that waits for a sender."""
    statement = select(issues.c.subscriber_id).where(issues.c.state == IssueState.DUE).distinct()
    return frozenset(connection.execute(statement).scalars())


def note_returned(connection: Connection, issue: StoredIssue, problem: str) -> int:
    """Writes down that a sent issue came back; gives how many of the reader's came back in a row, this one included."""
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
