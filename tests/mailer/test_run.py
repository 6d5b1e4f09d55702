"""Whole runs against a real feed service and a real SMTP server."""

import datetime as dt
from pathlib import Path

import pytest

from mailer.domain.subscription import Schedule
from mailer.run import KIND, Summary
from mailer.storage import MailStore, issues, runs
from testing.mailer.builders import FixedClock, address
from testing.mailer.feed_service import feed_service
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import run, subscribe
from tests.mailer.feeds import OwnFeeds


def test_the_whole_way(each_store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """Every due subscriber gets one issue, the service learns what was sent, and a second run sends nothing."""
    subscribe(each_store, feeds, 1, 2)
    first = run(each_store, feeds, inbox, clock)
    second = run(each_store, feeds, inbox, clock)

    assert first == Summary({"made": 2, "sent": 2}, (), is_ok=True)
    assert second == Summary({"not_due": 2}, (), is_ok=True)
    assert sorted(inbox.addresses) == [address(1), address(2)]
    assert feeds.reported(1) == {f"a{n}" for n in range(10)} - {"a0", "a5"}
    with each_store.read() as connection:
        assert [each.outcomes for each in runs.newest(connection, KIND, 5)] == [second.outcomes, first.outcomes]
        assert issues.counts(connection, clock.now())["unreported"] == 0


def test_nothing_comes_twice(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """The issue of the next digest contains none of the papers of the issue before."""
    subscribe(store, feeds, 1)
    run(store, feeds, inbox, clock)
    clock.advance(days=1)
    feeds.add_digest("second", "a", 10, "b", 3, days=1)

    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}

    assert set(feeds.sent(store, 1)[0]) == {"b0", "b1", "b2"}


def test_one_issue_after_an_absence(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """After several digests, a subscriber gets one issue of all of them."""
    subscribe(store, feeds, 1)
    run(store, feeds, inbox, clock)
    for day in range(1, 6):
        feeds.add_digest(f"day{day}", f"d{day}-", 2, days=day)
    clock.advance(days=5)

    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}

    assert len(inbox.messages) == 2
    assert sorted(feeds.sent(store, 1)[0]) == sorted(f"d{day}-{n}" for day in range(1, 6) for n in (0, 1))
    with store.read() as connection:
        newest = issues.list_of(connection, "s000001", 1)[0]
    assert newest.digest_id == feeds.digest_id("day5")


def test_a_service_that_is_away(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """Without the service, a run fails but sends the issues that are due; the next run reports them."""
    subscribe(store, feeds, 1)
    without_smtp = run(store, feeds, inbox, clock, smtp_port=1)
    assert not without_smtp.is_ok
    assert without_smtp.outcomes == {"made": 1, "waiting": 1}

    without_service = run(store, feeds.away(), inbox, clock, timeout_seconds=0.2)

    assert not without_service.is_ok
    assert without_service.outcomes == {"sent": 1}
    assert "the feed service is not available" in without_service.problems[0]
    assert feeds.reported(1) == set()
    assert run(store, feeds, inbox, clock).is_ok
    assert len(inbox.messages) == 1
    assert len(feeds.reported(1)) == 8


def test_a_green_run_without_mail_is_impossible(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """A run is fine if nobody is due; if due subscribers get nothing, it fails and the summary gives the reason."""
    assert run(store, feeds, inbox, clock) == Summary({}, (), is_ok=True)
    subscribe(store, feeds, 1)
    inbox.refuse_recipient = lambda _: "450 4.2.0 later"
    later = run(store, feeds, inbox, clock)
    assert not later.is_ok
    assert later.problems == ("mail was due and none was sent",)

    feeds.add_digest("seen", "a", 1, days=1)
    subscribe(store, feeds, 2)
    feeds.like(2, "a0")
    inbox.refuse_recipient = lambda _: None
    empty = run(store, feeds, inbox, clock)
    assert empty.outcomes["empty_feed"] == 1
    assert not empty.is_ok
    assert "the feeds of 1 subscribers were empty" in empty.problems[-1]


@pytest.mark.slow
def test_no_digest_at_all(store: MailStore, feeds: OwnFeeds, tmp_path: Path, inbox: Inbox, clock: FixedClock) -> None:
    """If subscribers are due and the service has no digest, the run fails and says so."""
    subscribe(store, feeds, 1)
    with feed_service(tmp_path) as empty:
        summary = run(store, feeds.behind(empty.target), inbox, clock)
    assert not summary.is_ok
    assert summary.outcomes == {"no_digest": 1}
    assert summary.problems == ("subscribers are due and the service has no digest",)


def test_only_an_old_digest(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """If subscribers are due and the newest digest is too old for an issue, the run fails and gives its date."""
    subscribe(store, feeds, 1)
    clock.advance(days=32)
    summary = run(store, feeds, inbox, clock)
    assert summary.outcomes == {"no_digest": 1}
    (problem,) = summary.problems
    assert problem.startswith(f"subscribers are due and the newest digest is dated {feeds.today.date()}, more than 31")


def test_no_subscribers_and_no_service(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """A run that could not read its subscribers does not say that there are none."""
    assert run(store, feeds, inbox, clock).in_words() == "there are no subscribers"
    subscribe(store, feeds, 1)
    summary = run(store, feeds.away(), inbox, clock, timeout_seconds=0.2)
    assert summary.in_words() == f"problem: {summary.problems[0]}"


def test_deleted_users_are_purged_first(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """The subscriber of a user deleted in the service is removed before anything is sent."""
    subscribe(store, feeds, 1, 2)
    feeds.delete_user(1)
    clock.advance(minutes=1)

    summary = run(store, feeds, inbox, clock)

    assert summary.outcomes == {"purged": 1, "made": 1, "sent": 1}
    assert inbox.addresses == [address(2)]


def test_weekly_subscribers_wait_for_their_day(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """A weekly subscriber is due on the chosen weekday only."""
    tomorrow = (feeds.today + dt.timedelta(days=1)).isoweekday()
    subscribe(store, feeds, 1, schedule=Schedule((tomorrow,), dt.time(7)))
    assert run(store, feeds, inbox, clock).outcomes == {"not_due": 1}
    clock.advance(days=1)
    assert run(store, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}


def test_old_issues_go(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """A run deletes issues older than the configured number of days, and no others."""
    subscribe(store, feeds, 1)
    run(store, feeds, inbox, clock)
    clock.advance(days=9)
    run(store, feeds, inbox, clock, keep_issues_days=10)
    assert len(feeds.sent(store, 1)) == 1
    clock.advance(days=2)
    run(store, feeds, inbox, clock, keep_issues_days=10)
    assert feeds.sent(store, 1) == []
