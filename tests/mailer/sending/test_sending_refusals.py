"""Refusals of recipients that concern the sender or the log-in, and those that concern one mailbox."""

import datetime as dt

import pytest

from mailer.domain.issue import IssueState
from mailer.domain.subscription import SubscriptionState
from mailer.sending.outbox import DOUBTS, Sender
from mailer.sending.smtp_codes import means_no_mailbox, means_sender_unwanted
from mailer.storage import MailStore, issues, subscribers
from testing.mailer.builders import NOW, FixedClock, address, fill, settings_for
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import states

ABOUT_US = [
    "550 5.1.8 <digest@example.org>: Sender address rejected: Domain not found",
    "450 4.1.8 <digest@example.org>: Sender address rejected: Domain not found",
    "553 5.1.7 bad sender",
    "554 5.7.1 <subscriber@example.org>: Relay access denied",
    "550 5.7.1 Unable to relay",
    "553 5.7.1 <digest@example.org>: Sender address rejected: not owned by user digest",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
    "530 5.7.0 Authentication required",
    "503 5.5.1 Error: authenticate first",
    "550 relaying denied",
]


def attempts(store: MailStore) -> list[int]:
    """Claim all due issues, and return their numbers of earlier attempts."""
    with store.write() as connection:
        found = issues.claim(connection, "judge", NOW + dt.timedelta(days=1), dt.timedelta(minutes=1), 100)
    return [each.attempt_count for each in found]


@pytest.mark.parametrize("answer", ABOUT_US)
@pytest.mark.parametrize("count", [1, 8])
def test_said_to_every_recipient(store: MailStore, inbox: Inbox, answer: str, count: int) -> None:
    """If every recipient is refused because of the sender, sending ends; no attempt counts and nobody is suppressed."""
    fill(store, count)
    tried: list[str] = []

    def refuse(recipient: str) -> str:
        tried.append(recipient)
        return answer

    inbox.refuse_recipient = refuse
    sender = Sender(store, settings_for(inbox.port), FixedClock())
    assert sender.send() == {}

    assert answer[:9] in sender.problem
    assert "@" not in sender.problem
    assert len(tried) <= DOUBTS + 1
    assert active(store) == count
    assert attempts(store) == [0] * count


@pytest.mark.parametrize("answer", ABOUT_US)
@pytest.mark.parametrize("number", [0, 7])
def test_said_to_one_recipient(store: MailStore, inbox: Inbox, answer: str, number: int) -> None:
    """If other recipients are accepted, only the refused one's issue fails or waits, and its address stays."""
    fill(store, 8)
    inbox.refuse_recipient = lambda recipient: answer if recipient == address(number) else None
    sender = Sender(store, settings_for(inbox.port), FixedClock())
    assert sender.send() == {"sent": 7, "later" if answer.startswith("4") else "refused": 1}

    assert not sender.problem
    assert active(store) == 8


def test_a_relay_that_turns_against_us(store: MailStore, inbox: Inbox) -> None:
    """A refusal of the sender that begins in the middle of a run fails no issue."""
    fill(store, 12)
    inbox.refuse_recipient = lambda _: "550 5.7.1 sender blocked" if len(inbox.messages) >= 5 else None
    sender = Sender(store, settings_for(inbox.port, smtp_connections=1), FixedClock())
    assert sender.send() == {"sent": 5}

    assert "sender blocked" in sender.problem
    assert list(states(store).values()).count(IssueState.DUE) == 7


@pytest.mark.parametrize(
    ("answer", "no_mailbox"),
    [
        ("550 5.1.1 <r@example.org>: Recipient address rejected: User unknown in relay recipient table", True),
        ("550 Recipient address rejected: User unknown in relay recipient table", True),
        ("550 5.1.2 Recipient address rejected: Domain not found", True),
        ("550 5.1.6 has moved", True),
        ("556 5.1.10 null MX", True),
        ("550 No such user here", True),
        ("550 5.1.0 user does not exist", True),
        ("551 user not local", True),
        ("553 no such mailbox", True),
        ("550 mailbox unavailable", False),
        ("553 mailbox name not allowed", False),
        ("550 5.1.0 Address rejected", False),
        ("501 5.1.3 bad address syntax", False),
        ("550 5.2.1 mailbox disabled", False),
        ("550 5.7.1 no such user for you", False),
        ("450 4.1.1 user unknown just now", False),
        ("550 host 195.5.1.1 will not have it", False),
    ],
)
def test_refusals_that_concern_the_mailbox(answer: str, no_mailbox: bool) -> None:
    """Only a refusal that says that the mailbox does not exist counts as such; none of these concerns the sender."""
    code, words = int(answer[:3]), answer[4:]

    assert means_no_mailbox(code, words) is no_mailbox
    assert not means_sender_unwanted(code, words)


def active(store: MailStore) -> int:
    """Return the number of active subscribers."""
    with store.read() as connection:
        found = [subscribers.find(connection, f"s{number:06d}") for number in range(20)]
    return sum(each is not None and each.state is SubscriptionState.ACTIVE for each in found)
