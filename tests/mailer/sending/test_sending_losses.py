"""Servers that hang up, fall silent or answer late: only the message concerned is affected."""

import datetime as dt
from dataclasses import replace

import pytest

from mailer.domain.issue import IssueState
from mailer.sending.outbox import BUSY_TRIES, Sender
from mailer.storage import MailStore, issues
from testing.mailer.builders import FixedClock, address, fill, settings_for
from tests.mailer.builders import due, states
from tests.mailer.sending import rude_server as rude
from tests.mailer.sending.rude_server import rude_server

ONE = address(1)


def attempts(store: MailStore, clock: FixedClock) -> dict[str, int]:
    """Claim all waiting issues, and return their numbers of earlier attempts by address."""
    with store.write() as connection:
        far = clock.now() + dt.timedelta(days=9)
        found = issues.claim(connection, "judge", far, dt.timedelta(minutes=1), 100)
    return {each.address: each.attempt_count for each in found}


@pytest.mark.parametrize(
    "manner", [rude.HANG_UP_AT_RECIPIENT, rude.RESET_IN_DATA, rude.HANG_UP_AFTER_DOT, rude.SILENT_AFTER_DOT]
)
def test_a_loss_counts_as_an_attempt(store: MailStore, manner: str) -> None:
    """A lost message waits as after a temporary refusal; the others are sent in the same run."""
    fill(store, 5)
    clock = FixedClock()
    with rude_server() as server:
        server.manners[ONE] = manner
        settings = settings_for(server.port, smtp_message_timeout_seconds=1.0)
        sender = Sender(store, settings, clock)
        assert sender.send() == {"sent": 4, "later": 1}
        assert not sender.problem
        assert Sender(store, settings, clock).send() == {}
        assert server.copies[ONE] <= 1

    assert attempts(store, clock) == {ONE: 1}


def test_giving_up_on_lost_answers(store: MailStore) -> None:
    """If the server never confirms a message, it gets the message no more often than the maximum of attempts."""
    fill(store, 3)
    clock = FixedClock()
    with rude_server() as server:
        server.manners[ONE] = rude.HANG_UP_AFTER_DOT
        settings = settings_for(server.port, max_attempts=3)
        runs = []
        for _ in range(5):
            runs.append(dict(Sender(store, settings, clock).send()))
            clock.advance(hours=8)

    assert runs == [{"sent": 2, "later": 1}, {"later": 1}, {"gave_up": 1}, {}, {}]
    assert server.copies[ONE] == 3
    assert states(store)["s000001"] is IssueState.FAILED


def test_a_late_answer_is_waited_for(store: MailStore) -> None:
    """The reply to a whole message may take longer than other replies, and then nothing is sent twice."""
    fill(store, 3)
    with rude_server() as server:
        server.manners[ONE] = rude.LATE_AFTER_DOT
        settings = settings_for(server.port, smtp_timeout_seconds=1.0)
        assert Sender(store, settings, FixedClock()).send() == {"sent": 3}

    assert set(server.copies.values()) == {1}


@pytest.mark.parametrize(
    ("refusal", "outcome", "state"),
    [
        ("554 5.7.1 refused", "refused", IssueState.FAILED),
        ("451 4.3.0 not now", "later", IssueState.DUE),
        ("421 4.3.0 closing", "later", IssueState.DUE),
    ],
)
def test_a_refused_data_command(store: MailStore, refusal: str, outcome: str, state: IssueState) -> None:
    """A refused DATA command fails or postpones that message, counts an attempt, and sending goes on."""
    fill(store, 4)
    with rude_server() as server:
        server.manners[ONE], server.refusal = rude.REFUSE_DATA, refusal
        sender = Sender(store, settings_for(server.port), FixedClock(), busy_wait_seconds=0.001)
        assert sender.send() == {"sent": 3, outcome: 1}

    assert not sender.problem
    assert states(store)["s000001"] is state
    assert not due(store, FixedClock())


def test_a_server_that_always_hangs_up(store: MailStore) -> None:
    """Several losses in a row end sending; the issues not attempted are due at once."""
    fill(store, 12)
    with rude_server() as server:
        server.manners = {address(n): rude.RESET_IN_DATA for n in range(12)}
        sender = Sender(store, settings_for(server.port, smtp_connections=1), FixedClock())
        assert sender.send() == {"later": BUSY_TRIES}

    assert "connection was lost" in sender.problem
    assert due(store, FixedClock()) == 12 - BUSY_TRIES


def test_a_server_that_hangs(store: MailStore) -> None:
    """A server that accepts connections and never greets ends sending, and no attempt counts."""
    fill(store, 5)
    clock = FixedClock()
    with rude_server() as server:
        server.greets = False
        settings = replace(settings_for(server.port), smtp_timeout_seconds=0.1)
        sender = Sender(store, settings, clock, busy_wait_seconds=0.001)
        assert sender.send() == {}

    assert "timed out" in sender.problem
    assert set(attempts(store, clock).values()) == {0}
