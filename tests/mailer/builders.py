"""Subscribers and runs of the mailer on a test's own feeds."""

import datetime as dt
from dataclasses import replace
from typing import Any

from mailer.domain.issue import IssueState
from mailer.domain.subscription import Schedule
from mailer.run import MailRun, Summary
from mailer.service import FeedService
from mailer.storage import MailStore, issues, subscribers
from testing.mailer.builders import FixedClock, settings_for, subscriber
from testing.mailer.smtp_server import Inbox
from tests.mailer.feeds import OwnFeeds


def subscribe(
    store: MailStore,
    feeds: OwnFeeds,
    *numbers: int,
    schedule: Schedule | None = None,
    paper_count: int = 10,
    **form: Any,
) -> None:
    """Add active subscribers, two days before the test's day, with other values of ``Subscriber`` in ``form``."""
    since = feeds.today - dt.timedelta(days=2)
    with store.write() as connection:
        for number in numbers:
            made = subscriber(
                number,
                user_id=feeds.user_id(number),
                schedule=schedule,
                paper_count=paper_count,
                created_at=since,
            )
            subscribers.add(connection, replace(made, **form))


def run(
    store: MailStore,
    feeds: OwnFeeds,
    inbox: Inbox,
    clock: FixedClock,
    timeout_seconds: float = 10.0,
    **changes: object,
) -> Summary:
    """Run the mailer once, with changed settings, and without waits for a busy SMTP server."""
    settings = settings_for(inbox.port, **{"server": feeds.target, **changes})
    with FeedService(feeds.target, timeout_seconds=timeout_seconds) as service:
        return MailRun(store, service, settings, clock, busy_wait_seconds=0.001).run()


def states(store: MailStore) -> dict[str, IssueState]:
    """Return the state of the newest issue by subscriber_id, for subscribers 0 to 99."""
    with store.read() as connection:
        found = issues.of_subscribers(connection, [f"s{number:06d}" for number in range(100)])
    return {stored.subscriber_id: stored.state for stored in found}


def due(store: MailStore, clock: FixedClock) -> int:
    """Return the number of issues that are due."""
    with store.read() as connection:
        return issues.counts(connection, clock.now())["due"]
