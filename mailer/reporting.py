"""What was sent and what readers did, told to the service. It is kept here first: nothing is lost while it is away."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence

from mailer.clock import Clock
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from mailer.issues.feed import Event
from mailer.issues.issue import IssuePaper
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions, subscribers
from mailer.storage.issues import StoredIssue
from mailer.subscribers.subscription import Subscriber

_log = logging.getLogger("paperfeed.mail")

ISSUES_AT_A_TIME = 50
CLICKS_WAIT = dt.timedelta(minutes=2)
"""Only then it shows whether a machine follows every link."""


def report_sent(store: MailStore, service: FeedService, clock: Clock) -> int:
    """Tells the service of every paper in every issue sent since; gives how many issues.

    Raises:
        ServiceUnavailable: The service does not answer; the rest is told next time.
    """
    count = 0
    while True:
        with store.read() as connection:
            waiting = issues.unreported(connection, ISSUES_AT_A_TIME)
            readers = {each.issue_id: subscribers.find(connection, each.subscriber_id) for each in waiting}
            papers = {each.issue_id: issues.papers_of(connection, each.issue_id) for each in waiting}
        if not waiting:
            return count
        record_known(service, [event for issue in waiting for event in _sent_events(issue, readers, papers)])
        with store.write() as connection:
            issues.mark_reported(connection, [issue.issue_id for issue in waiting], clock.now())
        count += len(waiting)


def forward_reactions(store: MailStore, service: FeedService, clock: Clock) -> int:
    """Tells the service of likes, saves, dislikes and clicks that it does not know yet; gives how many.

    Clicks that look like a scanner's are not told.

    Raises:
        ServiceUnavailable: The service does not answer; they are told next time.
    """
    count = 0
    while True:
        with store.read() as connection:
            waiting = reactions.waiting(connection, 500, clicks_before=clock.now() - CLICKS_WAIT)
        if not waiting:
            return count
        record_known(service, [each.event for each in waiting])
        with store.write() as connection:
            reactions.mark_forwarded(connection, [each.sequence for each in waiting], clock.now())
        count += len(waiting)


def record_known(service: FeedService, events: Sequence[Event]) -> None:
    """Records all events but those on papers that the service no longer has, and those that it refuses.

    The second are logged as a warning and set aside: told again they would be refused again, and hold up all others.

    Raises:
        ServiceUnavailable: It does not answer, or its clock is far behind ours: told later they will do.
    """
    if not events:
        return
    try:
        service.record(events)
    except (NotFound, InvalidField) as error:
        if isinstance(error, InvalidField) and error.field.endswith("occurred_at"):
            raise ServiceUnavailable(f"it refuses an event: {error}") from error
        if len(events) == 1:
            if isinstance(error, InvalidField):
                facts = {"event_id": events[0].event_id, "problem": str(error)}
                _log.warning("the service refuses an event", extra={"facts": facts})
            return
        middle = len(events) // 2
        record_known(service, events[:middle])
        record_known(service, events[middle:])


def _sent_events(
    issue: StoredIssue, readers: Mapping[str, Subscriber | None], papers: Mapping[str, Sequence[IssuePaper]]
) -> list[Event]:
    """One for each of its papers; none where its reader is gone."""
    reader = readers[issue.issue_id]
    return (
        []
        if reader is None
        else [
            Event(
                event_id=f"mail-sent-{issue.issue_id}-{paper.position}",
                user_id=reader.user_id,
                paper_id=paper.paper_id,
                event_type="sent",
                occurred_at=issue.sent_at or issue.created_at,
                slate_id=issue.slate_id,
            )
            for paper in papers[issue.issue_id]
        ]
    )
