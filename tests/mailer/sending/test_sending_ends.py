"""Failures that concern all issues: sending ends, names the cause, and counts no attempt."""

import datetime as dt
import threading
from pathlib import Path

import pytest

from mailer.domain.issue import IssueState
from mailer.sending.outbox import Sender
from mailer.storage import MailStore, issues
from testing.mailer.builders import NOW, FixedClock, fill, settings_for
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import due, states


@pytest.mark.parametrize("refuse", ["log-in", "sender", "busy", "nobody there", "no STARTTLS"])
def test_a_server_that_takes_nothing(store: MailStore, inbox: Inbox, refuse: str) -> None:
    """A refusal of all mail ends sending with the reason; no issue fails, and no attempt counts."""
    fill(store, 5)
    changes: dict[str, object] = {}
    if refuse == "log-in":
        changes = {"smtp_user": "somebody", "smtp_security": "starttls"}
    elif refuse == "sender":
        inbox.refuse_sender = lambda _: "553 5.7.1 sender address rejected"
    elif refuse == "busy":
        inbox.refuse_sender = lambda _: "421 4.3.2 try again later"
    elif refuse == "nobody there":
        changes = {"smtp_port": 1}
    else:
        changes = {"smtp_security": "starttls"}
    sender = Sender(store, settings_for(inbox.port, **changes), FixedClock(), busy_wait_seconds=0.001)
    outcomes = sender.send()

    assert outcomes == {}
    assert sender.problem
    assert inbox.messages == []
    assert set(states(store).values()) == {IssueState.DUE}
    assert due(store, FixedClock()) == 5
    with store.write() as connection:
        claimed = issues.claim(connection, "x", NOW, dt.timedelta(minutes=1), 10)
    assert [each.attempt_count for each in claimed] == [0] * 5


@pytest.mark.parametrize("setting", ["smtp_password_file", "dkim_key_file"])
def test_a_secret_that_cannot_be_read(store: MailStore, inbox: Inbox, tmp_path: Path, setting: str) -> None:
    """An unreadable file of a secret ends sending at once and is named."""
    fill(store, 50)
    missing = str(tmp_path / "none-such")
    if setting == "smtp_password_file":
        changes = {"smtp_user": "u", "smtp_password_file": missing, "smtp_security": "starttls"}
    else:
        changes = {"dkim_domain": "example.org", "dkim_selector": "s", "dkim_key_file": missing}
    sender = Sender(store, settings_for(inbox.port, **changes), FixedClock())
    assert ends(sender)

    assert "none-such cannot be read" in sender.problem
    assert due(store, FixedClock()) == 50


def test_a_thread_that_dies(store: MailStore, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception in a worker thread ends sending as a whole."""

    class Broken:
        def __init__(self, _settings: object) -> None:
            raise SystemExit("broken")

    monkeypatch.setattr("mailer.sending.outbox.SmtpConnection", Broken)
    fill(store, 50)
    sender = Sender(store, settings_for(inbox.port), FixedClock())
    assert ends(sender)

    assert "SystemExit: broken" in sender.problem


def ends(sender: Sender) -> bool:
    """Return whether sending ends without having sent anything."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(sender.send()), daemon=True)
    thread.start()
    thread.join(30)
    return found == [{}]
