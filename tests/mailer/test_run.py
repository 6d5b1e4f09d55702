"""Whole runs against a real feed service and a real SMTP server."""

import datetime as dt
from pathlib import Path

import pytest

from mailer.config import MailSettings
from mailer.domain.subscription import Schedule
from mailer.run import KIND, MailRun, Summary
from mailer.service import FeedService
from mailer.storage import MailStore, issues, runs, subscribers
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import TODAY, FixedClock, subscriber
from testing.mailer.feed_service import RunningService, add_digest, feed_service, like, papers
from testing.mailer.smtp_server import Inbox
from tests.mailer.sending.test_sending import settings_for


def run(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock, **changes: object) -> Summary:
    """One run."""
    settings: MailSettings = settings_for(inbox, server=service.target, **changes)
    with FeedService(service.target, timeout_seconds=1) as feeds:
        return MailRun(store, feeds, settings, clock).run()


def subscribe(store: MailStore, *numbers: int, days_ago: int = 2, schedule: Schedule | None = None) -> None:
    """Active subscribers of some days ago."""
    with store.write() as connection:
        for number in numbers:
            reader = subscriber(number, schedule=schedule)
            values = {**vars(reader), "created_at": TODAY - dt.timedelta(days=days_ago)}
            subscribers.add(connection, type(reader)(**values))


def sent_papers(running: RunningService, user_id: str) -> set[str]:
    """What the service knows was sent to the user."""
    with running.client() as client:
        answers = client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=user_id))
        events = [answer.event for answer in answers if answer.HasField("event")]
    return {event.paper_id for event in events if event.event_type == profile_pb2.EVENT_TYPE_SENT}


def test_the_whole_way(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """Everybody due gets one issue; the service learns what was sent; a second run sends nothing."""
    subscribe(store, 1, 2)
    first = run(store, service, inbox, clock)
    second = run(store, service, inbox, clock)

    assert first == Summary({"made": 2, "sent": 2}, (), is_ok=True)
    assert second == Summary({"not_due": 2}, (), is_ok=True)
    assert sorted(inbox.addresses) == ["reader1@example.org", "reader2@example.org"]
    assert sent_papers(service, "u000001") == {f"a{n}" for n in range(10)} - {"a0", "a5"}
    with store.read() as connection:
        assert [each.outcomes for each in runs.newest(connection, KIND, 5)] == [second.outcomes, first.outcomes]
        assert issues.counts(connection, clock.now())["unreported"] == 0


def test_nothing_comes_twice(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """The next digest's issue has none of the papers of the one before."""
    subscribe(store, 1)
    run(store, service, inbox, clock)
    clock.go_on(days=1)
    with service.client() as client:
        add_digest(client, "second", TODAY.date() + dt.timedelta(days=1), [*papers("a", 10), *papers("b", 3)])

    assert run(store, service, inbox, clock).outcomes == {"made": 1, "sent": 1}

    with store.read() as connection:
        newest = issues.list_of(connection, "s000001", 1)[0]
        assert {paper.paper_id for paper in issues.papers_of(connection, newest.issue_id)} == {"b0", "b1", "b2"}


def test_one_issue_after_an_absence(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """Four digests later a reader gets one issue of all of them."""
    subscribe(store, 1)
    run(store, service, inbox, clock)
    with service.client() as client:
        for day in range(1, 5):
            add_digest(client, f"day{day}", TODAY.date() - dt.timedelta(days=5 - day), papers(f"d{day}-", 2))
        add_digest(client, "newest", TODAY.date() + dt.timedelta(days=1), papers("e", 2))
    clock.go_on(days=1)

    assert run(store, service, inbox, clock).outcomes == {"made": 1, "sent": 1}

    assert len(inbox.messages) == 2
    with store.read() as connection:
        newest = issues.list_of(connection, "s000001", 1)[0]
    assert newest.digest_id == "newest"


def test_a_service_that_is_away(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says so and fails; what was made before still goes out, and is reported when the service is back."""
    monkeypatch.setattr("mailer.sending.outbox.BUSY_WAIT_SECONDS", 0.001)
    subscribe(store, 1)
    down = settings_for(inbox, server=service.target, smtp_port=1)
    with FeedService(service.target, timeout_seconds=1) as feeds:
        stuck = MailRun(store, feeds, down, clock).run()
    assert not stuck.is_ok
    assert stuck.outcomes == {"made": 1, "waiting": 1}
    service.stop()

    without = run(store, service, inbox, clock)

    assert not without.is_ok
    assert without.outcomes == {"sent": 1}
    assert "the feed service is not available" in without.problems[0]
    service.start()
    assert run(store, service, inbox, clock).is_ok
    assert len(inbox.messages) == 1
    assert len(sent_papers(service, "u000001")) == 8


def test_a_green_run_without_mail_is_impossible(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """Nobody due is fine; due readers who get nothing are not, and the summary says why."""
    assert run(store, service, inbox, clock) == Summary({}, (), is_ok=True)
    subscribe(store, 1)
    inbox.refuse_recipient = lambda _: "450 4.2.0 later"
    later = run(store, service, inbox, clock)
    assert not later.is_ok
    assert later.problems == ("mail was due and none was sent",)

    with service.client() as client:
        add_digest(client, "seen", TODAY.date() + dt.timedelta(days=1), papers("a", 10)[:1])
    subscribe(store, 2)
    with service.client() as client:
        like(client, "u000002", ["a0"])
    inbox.refuse_recipient = lambda _: None
    empty = run(store, service, inbox, clock)
    assert empty.outcomes["empty_feed"] == 1
    assert not empty.is_ok
    assert "1 readers' feeds were empty" in empty.problems[-1]


def test_no_digest_at_all(store: MailStore, tmp_path: Path, inbox: Inbox, clock: FixedClock) -> None:
    """Due readers and a service without a digest: failed, by name."""
    subscribe(store, 1)
    with feed_service(tmp_path) as empty:
        summary = run(store, empty, inbox, clock)
    assert not summary.is_ok
    assert summary.outcomes == {"no_digest": 1}
    assert summary.problems == ("readers are due and the service has no digest",)


def test_only_an_old_digest(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """Due readers and a newest digest that is too old for an issue: failed, with its date."""
    subscribe(store, 1)
    clock.go_on(days=32)
    summary = run(store, service, inbox, clock)
    assert summary.outcomes == {"no_digest": 1}
    assert summary.problems == (
        f"readers are due and the newest digest is of {TODAY.date()}, more than 31 days ago: is fetching broken?",
    )


def test_nobody_is_subscribed_is_said_of_nobody_only(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """A run that could not look at its readers does not say that there are none."""
    assert run(store, service, inbox, clock).in_words() == "nobody is subscribed"
    subscribe(store, 1)
    service.stop()
    summary = run(store, service, inbox, clock)
    assert summary.in_words() == f"problem: {summary.problems[0]}"


def test_deleted_users_are_purged_first(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """Who was deleted in the service is forgotten here before anything is sent."""
    subscribe(store, 1, 2)
    with service.client() as client:
        client.profiles.DeleteUser(profile_pb2.DeleteUserRequest(user_id="u000001"))
    clock.go_on(minutes=1)

    summary = run(store, service, inbox, clock)

    assert summary.outcomes == {"purged": 1, "made": 1, "sent": 1}
    assert inbox.addresses == ["reader2@example.org"]


def test_weekly_readers_wait_for_their_day(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """Not due on other days; due on theirs."""
    tomorrow = (TODAY + dt.timedelta(days=1)).isoweekday()
    subscribe(store, 1, schedule=Schedule((tomorrow,), dt.time(7)))
    assert run(store, service, inbox, clock).outcomes == {"not_due": 1}
    clock.go_on(days=1)
    assert run(store, service, inbox, clock).outcomes == {"made": 1, "sent": 1}


def test_old_issues_go(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """After the days that the settings say, an issue is kept no more."""
    subscribe(store, 1)
    run(store, service, inbox, clock)
    clock.go_on(days=11)
    run(store, service, inbox, clock, keep_issues_days=10)
    with store.read() as connection:
        found = issues.list_of(connection, "s000001", 10)
    assert all(each.created_at > TODAY + dt.timedelta(days=1) for each in found)
