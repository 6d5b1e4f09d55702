"""What a mailer still may hand over, and that none of its threads can leave it waiting."""

import datetime as dt
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mailer.domain.issue import IssueState
from mailer.sending.outbox import Sender
from mailer.storage import MailStore, issues
from testing.mailer.builders import NOW, FixedClock
from testing.mailer.smtp_server import smtp_server
from tests.mailer.sending.test_sending import due, fill, settings_for, states


def test_a_mailer_that_was_suspended(store: MailStore) -> None:
    """What another mailer took and sent meanwhile does not go out again when the first one wakes."""
    fill(store, 6)
    clock, stolen = FixedClock(), list[str]()

    def sleep(_address: str) -> None:
        if stolen:
            return
        later = NOW + dt.timedelta(minutes=2)
        with store.write() as connection:
            for each in issues.claim(connection, "other", later, dt.timedelta(minutes=1), 10):
                stolen.append(each.address)
                issues.mark_sent(connection, each.issue_id, later)
        clock.go_on(minutes=2)

    with smtp_server() as inbox:
        inbox.refuse_message = sleep
        outcomes = Sender(store, settings_for(inbox, smtp_connections=1), clock).send()

    assert len(stolen) == 6
    assert (len(inbox.messages), outcomes) == (1, {"sent": 1})
    assert set(states(store).values()) == {IssueState.SENT}


def test_a_mailer_that_slept_and_was_not_missed(store: MailStore) -> None:
    """Where nobody took what it holds it goes on, and sends nothing twice."""
    fill(store, 6)
    clock = FixedClock()

    def sleep(_address: str) -> None:
        clock.go_on(minutes=2)

    with smtp_server() as inbox:
        inbox.refuse_message = sleep
        assert Sender(store, settings_for(inbox), clock).send() == {"sent": 6}

    assert len(set(inbox.addresses)) == len(inbox.addresses) == 6


@pytest.mark.parametrize("setting", ["smtp_password_file", "dkim_key_file"])
def test_a_secret_that_cannot_be_read(store: MailStore, tmp_path: Path, setting: str) -> None:
    """The run ends at once and names the file; nothing counts as tried."""
    fill(store, 50)
    with smtp_server() as inbox:
        missing = str(tmp_path / "none-such")
        settings = replace(settings_for(inbox), smtp_user="u", dkim_domain="example.org", dkim_selector="s")
        if setting == "smtp_password_file":
            settings = replace(settings, dkim_domain="", smtp_password_file=missing)
        else:
            settings = replace(settings, smtp_user="", dkim_key_file=missing)
        sender = Sender(store, settings, FixedClock())
        assert ends(sender)

    assert "none-such cannot be read" in sender.problem
    assert due(store, FixedClock()) == 50


def test_a_thread_that_dies(store: MailStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what nobody expects ends the run and not just the thread."""

    class Broken:
        def __init__(self, _settings: object) -> None:
            raise SystemExit("broken")

    monkeypatch.setattr("mailer.sending.outbox.SmtpConnection", Broken)
    fill(store, 50)
    with smtp_server() as inbox:
        sender = Sender(store, settings_for(inbox), FixedClock())
        assert ends(sender)

    assert "SystemExit: broken" in sender.problem


def ends(sender: Sender) -> bool:
    """Whether it sends nothing and comes to an end."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(sender.send()), daemon=True)
    thread.start()
    thread.join(10)
    return found == [{}]
