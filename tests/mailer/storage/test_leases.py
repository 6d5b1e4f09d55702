"""Mailers that were suspended, with leases in a real database."""

import datetime as dt

from mailer.domain.issue import IssueState
from mailer.sending.outbox import Sender
from mailer.storage import MailStore, issues
from testing.mailer.builders import NOW, FixedClock, fill, settings_for
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import states


def test_a_mailer_that_was_suspended(each_store: MailStore, inbox: Inbox) -> None:
    """A mailer that wakes does not send again what another mailer took over and sent meanwhile."""
    fill(each_store, 6)
    clock, stolen = FixedClock(), list[str]()

    def sleep(_address: str) -> None:
        if stolen:
            return
        later = NOW + dt.timedelta(minutes=2)
        with each_store.write() as connection:
            for each in issues.claim(connection, "other", later, dt.timedelta(minutes=1), 10):
                stolen.append(each.address)
                issues.mark_sent(connection, each.issue_id, later)
        clock.advance(minutes=2)

    inbox.refuse_message = sleep
    outcomes = Sender(each_store, settings_for(inbox.port, smtp_connections=1), clock).send()

    assert len(stolen) == 6
    assert (len(inbox.messages), outcomes) == (1, {"sent": 1})
    assert set(states(each_store).values()) == {IssueState.SENT}


def test_a_mailer_that_slept_and_was_not_missed(each_store: MailStore, inbox: Inbox) -> None:
    """A mailer whose issues nobody took over sends each of them once, although their leases ended."""
    fill(each_store, 6)
    clock = FixedClock()
    inbox.refuse_message = lambda _: clock.advance(minutes=2)

    assert Sender(each_store, settings_for(inbox.port), clock).send() == {"sent": 6}

    assert len(set(inbox.addresses)) == len(inbox.addresses) == 6
