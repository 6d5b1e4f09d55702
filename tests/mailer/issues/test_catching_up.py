"""Runs after something went wrong: no mail for deleted users, no paper twice, and no paper lost."""

import dataclasses
import datetime as dt
from collections import Counter

import pytest

from mailer.domain.issue import IssueState
from mailer.domain.subscription import Schedule
from mailer.run import MailRun, Summary
from mailer.service import FeedService
from mailer.storage import MailStore, issues, standing, subscribers
from mailer.subscribers.subscriptions import Entry, Subscriptions
from paperfeed.v1.status_pb2 import GetStatusRequest
from testing.mailer.builders import FixedClock, address, settings_for
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import run, subscribe
from tests.mailer.feeds import OwnFeeds
from tests.mailer.proxy import proxy

NO_SMTP_SERVER = {"smtp_port": 1}


def papers_sent(store: MailStore, feeds: OwnFeeds, user: int) -> Counter[str]:
    """Count how often each paper was sent to the user."""
    return Counter(paper for issue in feeds.sent(store, user) for paper in issue)


def calls(feeds: OwnFeeds) -> Counter[str]:
    """Count the calls of FeedService that the service has answered."""
    with feeds.client() as client:
        found = client.status.GetStatus(GetStatusRequest()).calls
    return Counter({each.method.removeprefix("FeedService/"): each.count for each in found})


def next_digest(feeds: OwnFeeds, clock: FixedClock, name: str, count: int = 2) -> None:
    """Advance the clock to the next day and add a digest of new papers, named ``name-0`` and so on."""
    clock.advance(days=1)
    feeds.add_digest(name, f"{name}-", count, days=(clock.now() - feeds.today).days)


def test_a_waiting_issue_of_a_deleted_user(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """Even with a slow service, a deleted user's waiting issue is not sent."""
    subscribe(store, feeds, 1, 2)
    assert run(store, feeds, inbox, clock, **NO_SMTP_SERVER).outcomes["waiting"] == 2
    feeds.delete_user(1)
    clock.advance(minutes=1)

    with proxy(feeds.target) as slow:
        slow.delay_seconds = 0.1
        summary = run(store, feeds.behind(slow.target), inbox, clock)

    assert summary == Summary({"purged": 1, "not_due": 1, "sent": 1}, (), is_ok=True)
    assert inbox.addresses == [address(2)]


def test_coming_back_after_deletion(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """A consent that is newer than the deletion counts: no later run removes the subscriber."""
    subscribe(store, feeds, 1)
    feeds.delete_user(1)
    assert run(store, feeds, inbox, clock).outcomes == {"purged": 1}
    later = FixedClock(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    entry = Entry(feeds.user_id(1), "again@example.org", "", Schedule(), 5)
    Subscriptions(store, later).add_many([entry], "requested again")
    with store.read() as connection:
        before = subscribers.find_by_user(connection, feeds.user_id(1))

    assert run(store, feeds, inbox, clock).outcomes == {"not_due": 1}

    with store.read() as connection:
        assert subscribers.find_by_user(connection, feeds.user_id(1)) == before is not None


def test_one_issue_after_an_outage(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """After three days without an SMTP server, one issue contains the papers of all days, each once."""
    subscribe(store, feeds, 2, paper_count=16)
    for name in ("x1", "x2", "x3"):
        run(store, feeds, inbox, clock, **NO_SMTP_SERVER)
        next_digest(feeds, clock, name)

    assert run(store, feeds, inbox, clock) == Summary({"made": 1, "sent": 1}, (), is_ok=True)

    assert len(inbox.messages) == 1
    wanted = {*(f"a{n}" for n in range(10)), *(f"x{day}-{n}" for day in (1, 2, 3) for n in (0, 1))}
    assert papers_sent(store, feeds, 2) == Counter(wanted)
    with store.read() as connection:
        stand = standing.of_subscribers(connection, ["s000002"])["s000002"]
    assert stand.received is not None
    assert (stand.received.digest_id, stand.unsent) == (feeds.digest_id("x3"), ())


def test_papers_imported_late(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """The issue has the papers of all missed digests, also if they were first seen long before the last issue."""
    subscribe(store, feeds, 2)
    run(store, feeds, inbox, clock)
    for day, name in ((1, "x1"), (2, "x2")):
        feeds.add_digest(name, f"{name}-", 2, days=day, seen_days=-10)
    clock.advance(days=2)

    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}

    assert sorted(feeds.sent(store, 2)[0]) == ["x1-0", "x1-1", "x2-0", "x2-1"]


def test_one_call_for_all_who_missed_the_same(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """All subscribers who missed the same digests are served by one call, and each gets all papers of the digests."""
    subscribe(store, feeds, 1, 2, 3, paper_count=20)
    run(store, feeds, inbox, clock)
    for name in ("x1", "x2", "x3"):
        next_digest(feeds, clock, name)
    before = calls(feeds)

    assert run(store, feeds, inbox, clock).outcomes == {"made": 3, "sent": 3}

    assert calls(feeds)["StreamFeeds"] - before["StreamFeeds"] == 1
    assert calls(feeds)["GetFeed"] == before["GetFeed"]
    for user in (1, 2, 3):
        assert sorted(feeds.sent(store, user)[0]) == [f"x{day}-{n}" for day in (1, 2, 3) for n in (0, 1)]


def test_what_a_sender_holds_is_not_replaced(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """The next issue waits for one that another mailer is sending, and contains none of its papers."""
    subscribe(store, feeds, 2)
    run(store, feeds, inbox, clock, **NO_SMTP_SERVER)
    next_digest(feeds, clock, "x1")
    with store.write() as connection:
        held = issues.claim(connection, "another", clock.now(), dt.timedelta(hours=1), 1)
    with FeedService(feeds.target, timeout_seconds=10) as service:
        mail_run = MailRun(store, service, settings_for(inbox.port, server=feeds.target), clock)
        # A run waits for an issue that another mailer holds, so this one is stopped.
        mail_run.stop()
        assert mail_run.run().outcomes == {"in_flight": 1}
    with store.write() as connection:
        issues.mark_sent(connection, held[0].issue_id, clock.now())

    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}

    found = papers_sent(store, feeds, 2)
    assert set(found.values()) == {1}
    assert len(found) == 12


def test_taken_by_a_sender_at_the_last_moment(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """An issue that is sent between the feed's request and its answer is not replaced, and nothing is added."""
    subscribe(store, feeds, 2)
    run(store, feeds, inbox, clock, **NO_SMTP_SERVER)
    next_digest(feeds, clock, "x1")

    def take(piece: bytes) -> bool:
        if feeds.title("x1-").encode() in piece:
            with store.write() as connection:
                for each in issues.claim(connection, "another", clock.now(), dt.timedelta(hours=1), 5):
                    issues.mark_sent(connection, each.issue_id, clock.now())
        return True

    with proxy(feeds.target) as watched:
        watched.look = take
        assert run(store, feeds.behind(watched.target), inbox, clock).outcomes == {"in_flight": 1}
    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}
    assert set(papers_sent(store, feeds, 2).values()) == {1}


@pytest.mark.parametrize("days_between", [0, 1])
def test_papers_of_a_failed_issue_come_again(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock, days_between: int
) -> None:
    """The papers of a refused issue come with the next digest's issue, or alone if there is no newer digest."""
    subscribe(store, feeds, 2)
    run(store, feeds, inbox, clock)
    next_digest(feeds, clock, "x1")
    inbox.refuse_recipient = lambda _: "552 5.2.2 mailbox full"
    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "refused": 1}
    inbox.refuse_recipient = lambda _: None
    if days_between:
        next_digest(feeds, clock, "x2")
    else:
        clock.advance(days=1)

    assert run(store, feeds, inbox, clock) == Summary({"made": 1, "sent": 1}, (), is_ok=True)

    wanted = {"x1-0", "x1-1"} | ({"x2-0", "x2-1"} if days_between else set())
    assert papers_sent(store, feeds, 2) == Counter({f"a{n}" for n in range(10)} | wanted)


def test_a_first_issue_that_failed(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """If the first issue fails, its papers come with the next one."""
    subscribe(store, feeds, 2)
    inbox.refuse_recipient = lambda _: "552 5.2.2 mailbox full"
    run(store, feeds, inbox, clock)
    inbox.refuse_recipient = lambda _: None
    with store.write() as connection:
        found = subscribers.find(connection, "s000002")
        assert found is not None
        subscribers.save(connection, dataclasses.replace(found, paper_count=20))
    next_digest(feeds, clock, "x1")
    run(store, feeds, inbox, clock)
    assert set(papers_sent(store, feeds, 2)) == {*(f"a{n}" for n in range(10)), "x1-0", "x1-1"}


def test_attempts_are_carried_over(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """Attempts of a replaced issue count for the new one, so a server that always defers ends in ``gave_up``."""
    subscribe(store, feeds, 2)
    inbox.refuse_recipient = lambda _: "450 4.2.0 later"
    assert run(store, feeds, inbox, clock, max_attempts=2).outcomes == {"made": 1, "later": 1, "waiting": 1}
    next_digest(feeds, clock, "x1")

    assert run(store, feeds, inbox, clock, max_attempts=2).outcomes == {"made": 1, "gave_up": 1}

    with store.read() as connection:
        found = [each.state for each in issues.of_subscribers(connection, ["s000002"])]
    assert found == [IssueState.CANCELLED, IssueState.FAILED]
