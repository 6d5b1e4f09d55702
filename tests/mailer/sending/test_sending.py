import time
from collections.abc import Callable

import pytest

from mailer.domain.issue import IssueState
from mailer.domain.subscription import SuppressionReason
from mailer.sending.outbox import Sender
from mailer.storage import MailStore, subscribers
from testing.mailer.builders import NOW, FixedClock, address, fill, issue, settings_for
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import due, states


def test_everybody_gets_one(each_store: MailStore, inbox: Inbox) -> None:
    """Each message arrives once, as it was stored, and a second run finds nothing to do."""
    fill(each_store, 30)
    settings = settings_for(inbox.port)
    outcomes = Sender(each_store, settings, FixedClock()).send()
    assert Sender(each_store, settings, FixedClock()).send() == {}

    assert outcomes == {"sent": 30}
    assert sorted(inbox.addresses) == sorted(address(n) for n in range(30))
    assert set(states(each_store).values()) == {IssueState.SENT}
    assert dict(inbox.messages) == {address(n): issue(n).content for n in range(30)}


@pytest.mark.parametrize(
    ("answer", "outcome", "state", "suppressed"),
    [
        ("550 5.1.1 no such user", "unknown_recipient", IssueState.FAILED, True),
        ("551 not here", "unknown_recipient", IssueState.FAILED, True),
        ("550 5.7.1 refused by policy", "refused", IssueState.FAILED, False),
        ("552 5.2.2 mailbox full", "refused", IssueState.FAILED, False),
        ("450 4.2.0 greylisted, try again", "later", IssueState.DUE, False),
        ("451 local error", "later", IssueState.DUE, False),
    ],
)
def test_a_refused_recipient(
    store: MailStore, inbox: Inbox, answer: str, outcome: str, state: IssueState, suppressed: bool
) -> None:
    """A refusal of one recipient affects that one only; the others get their issues."""
    fill(store, 6)
    inbox.refuse_recipient = lambda recipient: answer if recipient == address(3) else None
    outcomes = Sender(store, settings_for(inbox.port), FixedClock()).send()

    assert outcomes == {"sent": 5, outcome: 1}
    assert states(store)["s000003"] is state
    with store.read() as connection:
        found = subscribers.find_suppression(connection, address(3))
    assert (found is not None and found[0] is SuppressionReason.BOUNCE) == suppressed


def test_a_refused_message(store: MailStore, inbox: Inbox) -> None:
    """A permanent refusal of a message fails it; after a temporary one, the same message is sent again later."""
    fill(store, 3)
    clock = FixedClock()
    inbox.refuse_message = {address(0): "554 5.6.0 bad content", address(1): "452 4.3.1 no room"}.get
    settings = settings_for(inbox.port)
    assert Sender(store, settings, clock).send() == {"sent": 1, "refused": 1, "later": 1}
    assert Sender(store, settings, clock).send() == {}
    clock.advance(hours=1)
    inbox.refuse_message = lambda _: None
    assert Sender(store, settings, clock).send() == {"sent": 1}

    assert inbox.messages[-1] == (address(1), issue(1).content)


def test_giving_up(store: MailStore, inbox: Inbox) -> None:
    """After the maximum number of attempts a message fails, and the waits in between become longer."""
    fill(store, 1)
    clock, waits = FixedClock(), []
    inbox.refuse_recipient = lambda _: "450 later"
    settings = settings_for(inbox.port, max_attempts=4)
    for _ in range(3):
        assert Sender(store, settings, clock).send() == {"later": 1}
        waited = 0
        while not due(store, clock):
            clock.advance(minutes=1)
            waited += 1
        waits.append(waited)
    assert Sender(store, settings, clock).send() == {"gave_up": 1}

    assert states(store)["s000000"] is IssueState.FAILED
    assert waits[0] < waits[2]


def test_a_connection_lost_in_the_middle(store: MailStore, inbox: Inbox) -> None:
    """After the server closes a connection, the mailer connects again and sends all issues."""
    fill(store, 12)
    lost = iter([True, False, True] + [False] * 100)
    inbox.refuse_sender = lambda _: "421 closing" if next(lost) else None
    outcomes = Sender(store, settings_for(inbox.port), FixedClock(), busy_wait_seconds=0.001).send()

    assert outcomes == {"sent": 12}
    assert sorted(inbox.addresses) == sorted(address(n) for n in range(12))


def test_a_suppressed_subscriber_gets_nothing_more(store: MailStore, inbox: Inbox) -> None:
    """Suppressing an address cancels its waiting issue, even one that a dead mailer held."""
    fill(store, 3)
    clock = FixedClock()
    with store.write() as connection:
        for number in (0, 1):
            subscribers.suppress(connection, address(number), SuppressionReason.MANUAL, "", NOW)
    assert Sender(store, settings_for(inbox.port), clock).send() == {"sent": 1}
    assert inbox.addresses == [address(2)]
    assert states(store)["s000000"] is IssueState.CANCELLED


def test_a_rate_is_kept(store: MailStore, inbox: Inbox) -> None:
    """All connections together send no more messages per second than configured."""
    fill(store, 10)
    began = time.monotonic()
    Sender(store, settings_for(inbox.port, messages_per_second=50.0), FixedClock()).send()
    assert time.monotonic() - began > 9 / 50


def test_stopping(store: MailStore, inbox: Inbox) -> None:
    """``stop`` ends sending after the messages in flight, and the other issues are due at once."""
    fill(store, 40)
    sender = Sender(store, settings_for(inbox.port), FixedClock())
    stop_after(inbox, 10, sender.stop)
    outcomes = sender.send()

    assert 10 <= outcomes["sent"] <= 12
    assert due(store, FixedClock()) == 40 - outcomes["sent"]


def stop_after(inbox: Inbox, count: int, stop: Callable[[], None]) -> None:
    """Call ``stop`` while the message number ``count`` arrives."""

    def look(_address: str) -> None:
        if len(inbox.messages) == count - 1:
            stop()

    inbox.refuse_message = look
