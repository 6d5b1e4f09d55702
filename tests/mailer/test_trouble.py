"""Runs that cannot do everything: each names the problem, records it, fails, and leaves nothing behind."""

import contextlib
import dataclasses
import sqlite3

import pytest

from mailer.domain.subscription import SubscriptionState
from mailer.run import KIND, Summary
from mailer.storage import MailStore, open_store, runs, subscribers
from testing.mailer.builders import FixedClock, address
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import run, subscribe
from tests.mailer.feeds import OwnFeeds
from tests.mailer.proxy import proxy

WORDS = {"locked": "it is locked by another process", "read-only": "its file is read-only", "full": "its disk is full"}


def test_no_new_digest_for_days(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """A run fails on the third weekday without a new digest, not before; the test's first day is a Wednesday."""
    subscribe(store, feeds, 2)
    assert run(store, feeds, inbox, clock).is_ok
    clock.advance(minutes=15)
    assert run(store, feeds, inbox, clock) == Summary({"not_due": 1}, (), is_ok=True)
    for _ in range(4):
        clock.advance(days=1)
        assert run(store, feeds, inbox, clock) == Summary({"has_it": 1}, (), is_ok=True)
    clock.advance(days=1)
    summary = run(store, feeds, inbox, clock)

    assert summary.outcomes == {"has_it": 1}
    assert not summary.is_ok
    (problem,) = summary.problems
    assert f"the newest digest is dated {feeds.today.date()}, 3 weekdays ago" in problem
    with store.read() as connection:
        assert runs.newest(connection, KIND, 1)[0].problem == problem
    assert run(store, feeds, inbox, clock, stale_digest_weekdays=0).is_ok


def test_empty_feeds_are_not_hidden(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """A run fails if more subscribers have an empty feed than have an issue of the newest digest."""
    subscribe(store, feeds, 1, 2, 3)
    for user in (2, 3):
        feeds.like(user, *(f"a{n}" for n in range(10)))

    summary = run(store, feeds, inbox, clock)

    assert summary.outcomes == {"made": 1, "sent": 1, "empty_feed": 2}
    assert summary.problems[0].startswith("the feeds of 2 subscribers were empty, and only 1 subscribers have an issue")
    assert run(store, feeds, inbox, clock).problems == summary.problems
    subscribe(store, feeds, 4)
    assert run(store, feeds, inbox, clock) == Summary({"not_due": 1, "made": 1, "sent": 1, "empty_feed": 2}, (), True)


def test_subscribers_who_leave_while_issues_are_made(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """A subscriber removed or unsubscribed while the feeds arrive gets no issue, and the others get theirs."""
    subscribe(store, feeds, 1, 2, 3)

    def leave(piece: bytes) -> bool:
        if feeds.title("a").encode() in piece:
            with store.write() as connection:
                subscribers.remove(connection, "s000001")
                subscribers.end(connection, "s000002", SubscriptionState.UNSUBSCRIBED, clock.now())
        return True

    with proxy(feeds.target) as watched:
        watched.look = leave
        summary = run(store, feeds.behind(watched.target), inbox, clock)

    assert summary == Summary({"left": 2, "made": 1, "sent": 1}, (), is_ok=True)
    assert inbox.addresses == [address(3)]


def test_a_service_that_dies_in_the_middle_of_the_feeds(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """If the connection breaks while the feeds arrive, the run fails, and the next one makes what is missing."""
    subscribe(store, feeds, *range(1, 31))
    with proxy(feeds.target) as dying:
        dying.look = lambda piece: feeds.title("a").encode() not in piece
        summary = run(store, feeds.behind(dying.target), inbox, clock)

    assert not summary.is_ok
    assert "the feed service is not available" in summary.problems[0]
    assert run(store, feeds, inbox, clock).outcomes["sent"] == 30
    assert len(set(inbox.addresses)) == len(inbox.messages) == 30


def test_a_user_id_that_the_service_refuses(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """A value that the service refuses becomes a problem of the run and of its record, not a traceback."""
    subscribe(store, feeds, 1)
    with store.write() as connection:
        found = subscribers.find(connection, "s000001")
        assert found is not None
        subscribers.save(connection, dataclasses.replace(found, user_id="a" * 300))

    summary = run(store, feeds, inbox, clock)

    assert not summary.is_ok
    assert "user_ids" in summary.problems[0]
    with store.read() as connection:
        assert runs.newest(connection, KIND, 1)[0].problem == summary.problems[0]


@pytest.mark.parametrize("trouble", ["locked", "read-only", "full"])
def test_a_database_that_takes_nothing(
    sqlite_url: str, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock, trouble: str
) -> None:
    """With a locked, read-only or full database, the run names the cause and sends nothing; the next one sends all."""
    store = open_store(sqlite_url, busy_timeout_seconds=0.2)
    subscribe(store, feeds, 1)
    with contextlib.ExitStack() as stack:
        _spoil(store, sqlite_url.removeprefix("sqlite:///"), trouble, stack)
        summary = run(store, feeds, inbox, clock)

    assert not summary.is_ok
    assert f"the mailer's database is not available: {WORDS[trouble]}" in summary.problems
    assert inbox.messages == []
    again = open_store(sqlite_url)
    assert run(again, feeds, inbox, clock).outcomes == {"made": 1, "sent": 1}
    again.dispose()
    store.dispose()


def _spoil(store: MailStore, path: str, trouble: str, stack: contextlib.ExitStack) -> None:
    """Prevent all writing until the stack ends."""
    if trouble == "locked":
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        stack.callback(other.close)
        return
    # A setting of the writer's one connection, because tests may run as root, whom no file mode stops.
    with store.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    raw = store._engines.writer.raw_connection()
    pragma = "PRAGMA query_only = ON" if trouble == "read-only" else f"PRAGMA max_page_count = {pages}"
    raw.cursor().execute(pragma)
    raw.close()
