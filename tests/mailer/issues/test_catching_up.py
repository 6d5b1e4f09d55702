"""Runs after something went wrong: nobody gets what was deleted, nothing twice, and nothing is lost."""

import datetime as dt
from collections import Counter

import pytest

from mailer.domain.issue import IssueState
from mailer.domain.subscription import Schedule
from mailer.run import MailRun, Summary
from mailer.service import FeedService
from mailer.storage import MailStore, issues, standing, subscribers
from mailer.subscribers.subscriptions import Subscriptions
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import FixedClock
from testing.mailer.feed_service import RunningService, add_digest, papers
from testing.mailer.smtp_server import Inbox
from tests.mailer.sending.proxy import proxy
from tests.mailer.sending.test_sending import settings_for
from tests.mailer.test_run import run, subscribe


@pytest.fixture(autouse=True)
def _do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.sending.outbox.BUSY_WAIT_SECONDS", 0.001)


def run_through(store: MailStore, target: str, inbox: Inbox, clock: FixedClock, **changes: object) -> Summary:
    """One run against a service at another address, or with no SMTP server."""
    settings = settings_for(inbox, server=target, **changes)
    with FeedService(target, timeout_seconds=10) as feeds:
        return MailRun(store, feeds, settings, clock).run()


def papers_sent(store: MailStore, number: int) -> Counter[str]:
    """How often each paper was sent to the reader."""
    with store.read() as connection:
        sent = issues.list_of(connection, f"s{number:06d}", 20)
        return Counter(paper.paper_id for each in sent for paper in issues.papers_of(connection, each.issue_id))


def next_digest(running: RunningService, clock: FixedClock, name: str, count: int = 2) -> None:
    """A day goes by and brings a digest of that name."""
    clock.go_on(days=1)
    with running.client() as client:
        add_digest(client, name, clock.now().date(), papers(f"{name}-", count))


def test_a_waiting_issue_of_a_deleted_user(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """However slow the service is, whoever it has deleted gets nothing of what waited."""
    subscribe(store, 1, 2)
    assert run_through(store, service.target, inbox, clock, smtp_port=1).outcomes["waiting"] == 2
    with service.client() as client:
        client.profiles.DeleteUser(profile_pb2.DeleteUserRequest(user_id="u000001"))
    clock.go_on(minutes=1)

    with proxy(service.target) as slow:
        slow.delay_seconds = 0.2
        summary = run_through(store, slow.target, inbox, clock)

    assert summary == Summary({"purged": 1, "not_due": 1, "sent": 1}, (), is_ok=True)
    assert inbox.addresses == ["reader2@example.org"]


def test_coming_back_after_deletion(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """A new consent is newer than the deletion: no later run purges it, also not with a new mailer's database."""
    subscribe(store, 1)
    with service.client() as client:
        client.profiles.DeleteUser(profile_pb2.DeleteUserRequest(user_id="u000001"))
    assert run(store, service, inbox, clock).outcomes == {"purged": 1}
    later = FixedClock(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    Subscriptions(store, later).add_many([("u000001", "again@example.org", "", Schedule(), 5)], "asked again")
    with store.write() as connection:
        subscribers_before = subscribers.find_by_user(connection, "u000001")

    assert run(store, service, inbox, clock).outcomes == {"not_due": 1}

    with store.read() as connection:
        assert subscribers.find_by_user(connection, "u000001") == subscribers_before is not None


def test_one_issue_after_an_outage(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """Three days without an SMTP server, then one issue of all of them, with no paper twice and none left out."""
    subscribe(store, 2)
    for name in ("x1", "x2"):
        run_through(store, service.target, inbox, clock, smtp_port=1)
        next_digest(service, clock, name)
    run_through(store, service.target, inbox, clock, smtp_port=1)
    next_digest(service, clock, "x3")

    assert run(store, service, inbox, clock) == Summary({"made": 1, "sent": 1}, (), is_ok=True)

    assert len(inbox.messages) == 1
    found = papers_sent(store, 2)
    assert len(found) == 10
    assert set(found.values()) == {1}
    assert {f"x{day}-{n}" for day in (1, 2, 3) for n in (0, 1)} & set(found)
    with store.read() as connection:
        stand = standing.of_readers(connection, ["s000002"])["s000002"]
    assert stand.received is not None
    assert (stand.received.digest_id, stand.unsent) == ("x3", ())


def test_what_a_sender_holds_is_not_replaced(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """An issue that another mailer has in hand may arrive: the next one waits for it, and brings nothing of it."""
    subscribe(store, 2)
    run_through(store, service.target, inbox, clock, smtp_port=1)
    next_digest(service, clock, "x1")
    with store.write() as connection:
        held = issues.claim(connection, "another", clock.now(), dt.timedelta(hours=1), 1)
    with FeedService(service.target, timeout_seconds=10) as feeds:
        mail_run = MailRun(store, feeds, settings_for(inbox, server=service.target), clock)
        # What another holds is waited for until it is sent or its lease ends, so this run is told to stop.
        mail_run.stop()
        assert mail_run.run().outcomes == {"in_flight": 1}
    with store.write() as connection:
        issues.mark_sent(connection, held[0].issue_id, clock.now())

    assert run(store, service, inbox, clock).outcomes == {"made": 1, "sent": 1}

    assert set(papers_sent(store, 2).values()) == {1}
    assert len(papers_sent(store, 2)) == 12


def test_taken_by_a_sender_at_the_last_moment(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """Between asking for the feed and storing the issue: nothing is replaced, nothing added."""
    subscribe(store, 2)
    run_through(store, service.target, inbox, clock, smtp_port=1)
    next_digest(service, clock, "x1")

    def take(piece: bytes) -> bool:
        if b"part x1-" in piece:
            with store.write() as connection:
                for each in issues.claim(connection, "another", clock.now(), dt.timedelta(hours=1), 5):
                    issues.mark_sent(connection, each.issue_id, clock.now())
        return True

    with proxy(service.target) as watched:
        watched.look = take
        assert run_through(store, watched.target, inbox, clock).outcomes == {"in_flight": 1}
    assert run(store, service, inbox, clock).outcomes == {"made": 1, "sent": 1}
    assert set(papers_sent(store, 2).values()) == {1}


@pytest.mark.parametrize("days_between", [0, 1])
def test_papers_of_a_failed_issue_come_again(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock, days_between: int
) -> None:
    """What was refused was not received: it comes with the next digest, or by itself where there is none."""
    subscribe(store, 2)
    run(store, service, inbox, clock)
    next_digest(service, clock, "x1")
    inbox.refuse_recipient = lambda _: "552 5.2.2 mailbox full"
    assert run(store, service, inbox, clock).outcomes == {"made": 1, "refused": 1}
    inbox.refuse_recipient = lambda _: None
    if days_between:
        next_digest(service, clock, "x2")
    else:
        clock.go_on(days=1)

    assert run(store, service, inbox, clock) == Summary({"made": 1, "sent": 1}, (), is_ok=True)

    wanted = {"x1-0", "x1-1"} | ({"x2-0", "x2-1"} if days_between else set())
    found = papers_sent(store, 2)
    assert set(found) == {f"a{n}" for n in range(10)} | wanted
    assert set(found.values()) == {1}


def test_a_first_issue_that_failed(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """A reader who never got anything gets the papers of the failed first issue with the next one."""
    subscribe(store, 2)
    inbox.refuse_recipient = lambda _: "552 5.2.2 mailbox full"
    run(store, service, inbox, clock)
    inbox.refuse_recipient = lambda _: None
    with store.write() as connection:
        reader = subscribers.find(connection, "s000002")
        assert reader is not None
        subscribers.save(connection, type(reader)(**{**vars(reader), "paper_count": 20}))
    next_digest(service, clock, "x1")
    run(store, service, inbox, clock)
    assert set(papers_sent(store, 2)) == {*(f"a{n}" for n in range(10)), "x1-0", "x1-1"}


def test_attempts_are_carried_over(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """Whoever's server refuses for now, day after day, is given up in the end, and the run says so."""
    subscribe(store, 2)
    inbox.refuse_recipient = lambda _: "450 4.2.0 later"
    assert run(store, service, inbox, clock, max_attempts=2).outcomes == {"made": 1, "later": 1, "waiting": 1}
    next_digest(service, clock, "x1")

    assert run(store, service, inbox, clock, max_attempts=2).outcomes == {"made": 1, "gave_up": 1}

    with store.read() as connection:
        states = [each.state for each in issues.of_readers(connection, ["s000002"])]
    assert states == [IssueState.CANCELLED, IssueState.FAILED]
