"""Reports sent papers and subscribers' reactions to the feed service.

The mailer stores each report before it sends it, so nothing is lost while the service is unavailable.
"""

import datetime as dt
import logging
from collections.abc import Sequence

from mailer.clock import Clock
from mailer.domain.feed import Event
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions, subscribers

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
            events = [
                event
                for issue in waiting
                if (subscriber := subscribers.find(connection, issue.subscriber_id)) is not None
                for event in issues.paper_events(
                    connection, issue, subscriber.user_id, "sent", issue.sent_at or issue.created_at
                )
            ]
        if not waiting:
            return count
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
        record_known(service, [event for _, event in waiting])
        with store.write() as connection:
            reactions.mark_forwarded(connection, [sequence for sequence, _ in waiting], clock.now())
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
