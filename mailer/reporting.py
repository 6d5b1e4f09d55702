"""Reports sent papers and subscribers' reactions to the feed service.

The mailer stores each report before it sends it, so nothing is lost while the service is unavailable.
"""

import datetime as dt
import logging
from collections.abc import Sequence

from mailer.clock import Clock
from mailer.domain.feed import Event
from mailer.domain.issue import IssuePaper
from mailer.domain.subscription import Subscriber
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions, subscribers
from mailer.storage.issues import StoredIssue

_log = logging.getLogger("paperfeed.mail")

ISSUES_AT_A_TIME = 50
CLICKS_WAIT = dt.timedelta(minutes=2)
"""Delay before a click is forwarded; by then a scanner that follows every link has been recognised."""


def report_sent(store: MailStore, service: FeedService, clock: Clock) -> int:
    """Report the papers of all sent issues that are not yet reported, and return the number of these issues.

    Raises:
        ServiceUnavailable: The service does not answer; the next call reports the rest.
    """
    count = 0
    while True:
        with store.read() as connection:
            waiting = issues.unreported(connection, ISSUES_AT_A_TIME)
            found = {each.issue_id: subscribers.find(connection, each.subscriber_id) for each in waiting}
            papers = {each.issue_id: issues.papers_of(connection, each.issue_id) for each in waiting}
        if not waiting:
            return count
        events = [
            event
            for issue in waiting
            if (subscriber := found[issue.issue_id]) is not None
            for event in _sent_events(issue, subscriber, papers[issue.issue_id])
        ]
        record_known(service, events)
        with store.write() as connection:
            issues.mark_reported(connection, [issue.issue_id for issue in waiting], clock.now())
        count += len(waiting)


def forward_reactions(store: MailStore, service: FeedService, clock: Clock) -> int:
    """Forward the stored likes, saves, dislikes and clicks to the service, and return their number.

    Clicks attributed to a mail scanner are not forwarded.

    Raises:
        ServiceUnavailable: The service does not answer; the next call forwards the rest.
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
    """Record the events, except those on papers that the service has deleted and those that it refuses.

    A refused event is logged as a warning and dropped, because it would be refused again and delay all others.

    Raises:
        ServiceUnavailable: The service does not answer, or its clock is far behind the mailer's.
    """
    if not events:
        return
    try:
        service.record(events)
    except (NotFound, InvalidField) as error:
        if isinstance(error, InvalidField) and error.field.endswith("occurred_at"):
            raise ServiceUnavailable(f"it refuses the time of an event: {error}") from error
        if len(events) == 1:
            if isinstance(error, InvalidField):
                facts = {"event_id": events[0].event_id, "problem": str(error)}
                _log.warning("the service refuses an event", extra={"facts": facts})
            return
        middle = len(events) // 2
        record_known(service, events[:middle])
        record_known(service, events[middle:])


def _sent_events(issue: StoredIssue, subscriber: Subscriber, papers: Sequence[IssuePaper]) -> list[Event]:
    return [
        Event(
            event_id=f"mail-sent-{issue.issue_id}-{paper.position}",
            user_id=subscriber.user_id,
            paper_id=paper.paper_id,
            event_type="sent",
            occurred_at=issue.sent_at or issue.created_at,
            slate_id=issue.slate_id,
        )
        for paper in papers
    ]
