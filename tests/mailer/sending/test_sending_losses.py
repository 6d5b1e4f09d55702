"""Servers that hang up, fall silent or answer late: what that costs the message at fault, and nobody else."""

import datetime as dt
from dataclasses import replace

import pytest

from mailer.config import MailSettings
from mailer.domain.issue import IssueState
from mailer.sending.outbox import BUSY_TRIES, Sender
from mailer.storage import MailStore, issues
from testing.mailer.builders import FixedClock
from tests.mailer.sending import rude_server as rude
from tests.mailer.sending.rude_server import RudeServer, rude_server
from tests.mailer.sending.test_sending import due, fill, states

ONE = "reader1@example.org"


def settings_for(server: RudeServer, **changes: object) -> MailSettings:
    """Settings with very little patience."""
    fixed = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none", "smtp_connections": 2}
    return replace(MailSettings.read({}, **{**fixed, **changes}), smtp_timeout_seconds=0.3)


def attempts(store: MailStore, clock: FixedClock) -> dict[str, int]:
    """Earlier attempts of whatever waits; takes it."""
    with store.write() as connection:
        far = clock.now() + dt.timedelta(days=9)
        found = issues.claim(connection, "judge", far, dt.timedelta(minutes=1), 100)
    return {each.address: each.attempt_count for each in found}


@pytest.mark.parametrize(
    "manner", [rude.HANG_UP_AT_RECIPIENT, rude.RESET_IN_DATA, rude.HANG_UP_AFTER_DOT, rude.SILENT_AFTER_DOT]
)
def test_a_loss_counts_as_an_attempt(store: MailStore, manner: str) -> None:
    """The message that the server stumbles over waits as after a passing refusal; the others get theirs in that run."""
    fill(store, 5)
    clock = FixedClock()
    with rude_server() as server:
        server.manners[ONE] = manner
        settings = replace(settings_for(server), smtp_message_timeout_seconds=0.3)
        sender = Sender(store, settings, clock)
        assert sender.send() == {"sent": 4, "later": 1}
        assert not sender.problem
        assert Sender(store, settings, clock).send() == {}
        assert server.copies[ONE] <= 1

    assert attempts(store, clock) == {ONE: 1}


def test_giving_up_on_lost_answers(store: MailStore) -> None:
    """A server that never says that it has the message gets it as often as a message may be tried, not oftener."""
    fill(store, 3)
    clock = FixedClock()
    with rude_server() as server:
        server.manners[ONE] = rude.HANG_UP_AFTER_DOT
        settings = settings_for(server, max_attempts=3)
        runs = []
        for _ in range(5):
            runs.append(dict(Sender(store, settings, clock).send()))
            clock.go_on(hours=8)

    assert runs == [{"sent": 2, "later": 1}, {"later": 1}, {"gave_up": 1}, {}, {}]
    assert server.copies[ONE] == 3
    assert states(store)["s000001"] is IssueState.FAILED


def test_a_late_answer_is_waited_for(store: MailStore) -> None:
    """The answer to a whole message may take longer than any other, and then nothing goes twice."""
    fill(store, 3)
    with rude_server() as server:
        server.manners[ONE] = rude.LATE_AFTER_DOT
        assert Sender(store, settings_for(server), FixedClock()).send() == {"sent": 3}

    assert set(server.copies.values()) == {1}


@pytest.mark.parametrize(
    ("refusal", "outcome", "state"),
    [
        ("554 5.7.1 refused", "refused", IssueState.FAILED),
        ("451 4.3.0 not now", "later", IssueState.DUE),
        ("421 4.3.0 closing", "later", IssueState.DUE),
    ],
)
def test_a_refused_data_command(
    store: MailStore, monkeypatch: pytest.MonkeyPatch, refusal: str, outcome: str, state: IssueState
) -> None:
    """It is about that message: failed or tried later, counted, and the run goes on."""
    monkeypatch.setattr("mailer.sending.outbox.BUSY_WAIT_SECONDS", 0.001)
    fill(store, 4)
    with rude_server() as server:
        server.manners[ONE], server.refusal = rude.REFUSE_DATA, refusal
        sender = Sender(store, settings_for(server), FixedClock())
        assert sender.send() == {"sent": 3, outcome: 1}

    assert not sender.problem
    assert states(store)["s000001"] is state
    assert not due(store, FixedClock())


def test_a_server_that_always_hangs_up(store: MailStore) -> None:
    """So many losses in a row end the run; whoever was not tried is due at once."""
    fill(store, 12)
    with rude_server() as server:
        server.manners = {f"reader{n}@example.org": rude.RESET_IN_DATA for n in range(12)}
        sender = Sender(store, settings_for(server, smtp_connections=1), FixedClock())
        assert sender.send() == {"later": BUSY_TRIES}

    assert "connection was lost" in sender.problem
    assert due(store, FixedClock()) == 12 - BUSY_TRIES


def test_a_server_that_hangs(store: MailStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes connections and never greets ends the run in time, and nothing counts as tried."""
    monkeypatch.setattr("mailer.sending.outbox.BUSY_WAIT_SECONDS", 0.001)
    fill(store, 5)
    clock = FixedClock()
    with rude_server() as server:
        server.greets = False
        sender = Sender(store, settings_for(server), clock)
        assert sender.send() == {}

    assert "timed out" in sender.problem
    assert set(attempts(store, clock).values()) == {0}
