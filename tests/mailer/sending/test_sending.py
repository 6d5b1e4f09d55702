import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mailer.config import MailSettings
from mailer.domain.issue import Issue, IssuePaper, IssueState
from mailer.domain.subscription import SuppressionReason
from mailer.sending.outbox import Sender
from mailer.storage import MailStore, issues, open_store, subscribers
from testing.mailer.builders import NOW, FixedClock, subscriber
from testing.mailer.smtp_server import Inbox, smtp_server


def settings_for(inbox: Inbox, **changes: object) -> MailSettings:
    """Settings that send to the inbox."""
    fixed = {"smtp_host": "127.0.0.1", "smtp_port": inbox.port, "smtp_security": "none", "smtp_connections": 2}
    return MailSettings.read({}, **{**fixed, "smtp_timeout_seconds": 5.0, **changes})


def issue(number: int, digest_id: str = "d1") -> Issue:
    """A small message for subscriber ``number``."""
    name = f"i{number:06d}-{digest_id}"
    content = f"Message-ID: <{name}@example.org>\r\nSubject: {name}\r\n\r\nHello\r\n.dot\r\n".encode()
    papers = (IssuePaper(1, "p1", "Paper 1", "https://example.org/1"),)
    return Issue(name, f"s{number:06d}", digest_id, "slate", f"<{name}@example.org>", name, content, papers, NOW)


def fill(store: MailStore, count: int) -> None:
    """As many subscribers with an issue each."""
    with store.write() as connection:
        for number in range(count):
            subscribers.add(connection, subscriber(number))
            assert issues.add(connection, issue(number))


def states(store: MailStore) -> dict[str, IssueState]:
    """Where each subscriber's newest issue stands."""
    with store.read() as connection:
        found = issues.of_readers(connection, [f"s{number:06d}" for number in range(100)])
    return {stored.subscriber_id: stored.state for stored in found}


def test_everybody_gets_one(store: MailStore) -> None:
    """Each message arrives once as it was stored, and a second run finds nothing to do."""
    fill(store, 30)
    with smtp_server() as inbox:
        settings = settings_for(inbox)
        outcomes = Sender(store, settings, FixedClock()).send()
        assert Sender(store, settings, FixedClock()).send() == {}

    assert outcomes == {"sent": 30}
    assert sorted(inbox.addresses) == sorted(f"reader{n}@example.org" for n in range(30))
    assert set(states(store).values()) == {IssueState.SENT}
    address, content = inbox.messages[0]
    assert content == issue(int(address.removeprefix("reader").partition("@")[0])).content


def test_an_issue_is_there_once(store: MailStore) -> None:
    """A second issue of one digest for one subscriber is not taken."""
    fill(store, 1)
    with store.write() as connection:
        assert not issues.add(connection, replace(issue(0), issue_id="other", message_id="<other@example.org>"))
        assert issues.add(connection, issue(0, "d2"))


def test_two_makers_at_once(store: MailStore, store_url: str) -> None:
    """Two mailers that make the same issues at the same moment leave one of each, and neither fails."""
    with store.write() as connection:
        for number in range(20):
            subscribers.add(connection, subscriber(number))

    def make(name: str) -> int:
        own, added = open_store(store_url), 0
        for number in range(20):
            one = replace(issue(number), issue_id=f"{name}{number}", message_id=f"<{name}{number}@example.org>")
            with own.write() as connection:
                added += issues.add(connection, one)
        own.dispose()
        return added

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(make, "abc")) == 20
    with store.read() as connection:
        for number in range(20):
            (stored,) = issues.of_readers(connection, [f"s{number:06d}"])
            assert len(issues.papers_of(connection, stored.issue_id)) == 1


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
def test_a_refused_recipient(store: MailStore, answer: str, outcome: str, state: IssueState, suppressed: bool) -> None:
    """What one recipient's refusal means for that one; the others get theirs."""
    fill(store, 6)
    with smtp_server() as inbox:
        inbox.refuse_recipient = lambda address: answer if address == "reader3@example.org" else None
        outcomes = Sender(store, settings_for(inbox), FixedClock()).send()

    assert outcomes == {"sent": 5, outcome: 1}
    assert states(store)["s000003"] is state
    with store.read() as connection:
        found = subscribers.find_suppression(connection, "reader3@example.org")
    assert (found is not None and found[0] is SuppressionReason.BOUNCE) == suppressed


def test_a_refused_message(store: MailStore) -> None:
    """A refusal after the message: for good fails it, for now keeps it for later, under the same Message-ID."""
    fill(store, 3)
    clock = FixedClock()
    answers = {"reader0@example.org": "554 5.6.0 bad content", "reader1@example.org": "452 4.3.1 no room"}
    with smtp_server() as inbox:
        inbox.refuse_message = answers.get
        settings = settings_for(inbox)
        assert Sender(store, settings, clock).send() == {"sent": 1, "refused": 1, "later": 1}
        assert Sender(store, settings, clock).send() == {}
        clock.go_on(hours=1)
        inbox.refuse_message = lambda _: None
        assert Sender(store, settings, clock).send() == {"sent": 1}

    assert inbox.messages[-1] == ("reader1@example.org", issue(1).content)


def test_giving_up(store: MailStore) -> None:
    """After so many attempts a message fails, each wait longer than the one before."""
    fill(store, 1)
    clock, waits = FixedClock(), []
    with smtp_server() as inbox:
        inbox.refuse_recipient = lambda _: "450 later"
        settings = settings_for(inbox, max_attempts=4)
        for _ in range(3):
            assert Sender(store, settings, clock).send() == {"later": 1}
            waited = 0
            while not due(store, clock):
                clock.go_on(minutes=1)
                waited += 1
            waits.append(waited)
        assert Sender(store, settings, clock).send() == {"gave_up": 1}

    assert states(store)["s000000"] is IssueState.FAILED
    assert waits[0] < waits[2]


def due(store: MailStore, clock: FixedClock) -> int:
    """How many may be sent now."""
    with store.read() as connection:
        return issues.counts(connection, clock.now())["due"]


@pytest.mark.parametrize("refuse", ["log-in", "sender", "busy", "nobody there", "no STARTTLS"])
def test_a_server_that_takes_nothing(store: MailStore, refuse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong for all ends the run with the reason; no reader's issue is failed or counted as tried."""
    monkeypatch.setattr("mailer.sending.outbox.BUSY_WAIT_SECONDS", 0.001)
    fill(store, 5)
    with smtp_server() as inbox:
        changes: dict[str, object] = {}
        if refuse == "log-in":
            settings = replace(settings_for(inbox), smtp_user="somebody")
        elif refuse == "sender":
            inbox.refuse_sender = lambda _: "553 5.7.1 sender address rejected"
            settings = settings_for(inbox)
        elif refuse == "busy":
            inbox.refuse_sender = lambda _: "421 4.3.2 try again later"
            settings = settings_for(inbox)
        elif refuse == "nobody there":
            settings = settings_for(inbox, smtp_port=1)
        else:
            changes["smtp_security"] = "starttls"
            settings = settings_for(inbox, **changes)
        sender = Sender(store, settings, FixedClock())
        outcomes = sender.send()

    assert outcomes == {}
    assert sender.problem
    assert inbox.messages == []
    assert set(states(store).values()) == {IssueState.DUE}
    assert due(store, FixedClock()) == 5
    with store.write() as connection:
        claimed = issues.claim(connection, "x", NOW, dt.timedelta(minutes=1), 10)
    assert [each.attempt_count for each in claimed] == [0] * 5


def test_a_connection_lost_in_the_middle(store: MailStore) -> None:
    """A server that hangs up is met again, and everybody still gets theirs."""
    fill(store, 12)
    lost = iter([True, False, True] + [False] * 100)
    with smtp_server() as inbox:
        inbox.refuse_sender = lambda _: "421 closing" if next(lost) else None
        outcomes = Sender(store, settings_for(inbox), FixedClock()).send()

    assert outcomes == {"sent": 12}
    assert sorted(inbox.addresses) == sorted(f"reader{n}@example.org" for n in range(12))


def test_whoever_leaves_gets_nothing_more(store: MailStore) -> None:
    """Between making and sending: what waits is cancelled, also where a dead mailer held it."""
    fill(store, 3)
    clock = FixedClock()
    with store.write() as connection:
        held = issues.claim(connection, "dead", clock.now(), dt.timedelta(seconds=60), 1)
        for subscriber_id in ("s000000", "s000001"):
            state = subscribers.find(connection, subscriber_id)
            assert state is not None
            subscribers.suppress(connection, state.address, SuppressionReason.MANUAL, "", NOW)
    assert [each.subscriber_id for each in held] == ["s000000"]
    clock.go_on(minutes=2)
    with smtp_server() as inbox:
        assert Sender(store, settings_for(inbox), clock).send() == {"sent": 1}
    assert inbox.addresses == ["reader2@example.org"]
    assert states(store)["s000000"] is IssueState.CANCELLED


def test_two_mailers_share_one_outbox(store: MailStore) -> None:
    """What one has claimed the other cannot, until the lease ends; what was settled stays so."""
    fill(store, 4)
    lease, later = dt.timedelta(seconds=60), NOW + dt.timedelta(seconds=61)
    with store.write() as connection:
        first = issues.claim(connection, "a", NOW, lease, 3)
        second = issues.claim(connection, "b", NOW, lease, 3)
        assert (len(first), len(second)) == (3, 1)
        assert issues.claim(connection, "c", NOW, lease, 3) == []
        issues.mark_sent(connection, first[0].issue_id, NOW)
        issues.renew(connection, "b", later, lease)
        again = issues.claim(connection, "c", later, lease, 10)
        assert {each.issue_id for each in again} == {each.issue_id for each in first[1:]}
        issues.mark_failed(connection, first[1].issue_id, "a", "too late")
        issues.release(connection, "a", later, "")
        assert issues.counts(connection, later)["claimed"] == 3


def test_a_rate_is_kept(store: MailStore) -> None:
    """Not more messages a second than allowed, over all connections."""
    import time

    fill(store, 10)
    with smtp_server() as inbox:
        began = time.monotonic()
        Sender(store, settings_for(inbox, messages_per_second=50.0), FixedClock()).send()
    assert time.monotonic() - began > 9 / 50


def test_stopping(store: MailStore) -> None:
    """Told to stop, it ends after what is in flight, and the rest is due at once."""
    fill(store, 40)
    with smtp_server() as inbox:
        sender = Sender(store, settings_for(inbox, messages_per_second=200.0), FixedClock())
        stop_after(inbox, 10, sender.stop)
        outcomes = sender.send()

    assert 10 <= outcomes["sent"] <= 12
    assert due(store, FixedClock()) == 40 - outcomes["sent"]


def stop_after(inbox: Inbox, count: int, stop: Callable[[], None]) -> None:
    """Calls ``stop`` when so many messages have come."""

    def look(_address: str) -> None:
        if len(inbox.messages) == count - 1:
            stop()

    inbox.refuse_message = look
