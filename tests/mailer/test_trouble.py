"""Runs that cannot do all: each says why, is kept in the record, fails, and leaves nothing behind."""

import contextlib
import sqlite3

import pytest

from mailer.domain.subscription import SubscriptionState
from mailer.run import KIND, Summary
from mailer.storage import MailStore, open_store, runs, subscribers
from testing.mailer.builders import TODAY, FixedClock
from testing.mailer.feed_service import RunningService, like
from testing.mailer.smtp_server import Inbox
from tests.mailer.issues.test_catching_up import run_through
from tests.mailer.sending.proxy import proxy
from tests.mailer.test_run import run, subscribe

WORDS = {"locked": "it is locked by another process", "read-only": "its file is read-only", "full": "its disk is full"}


def test_no_new_digest_for_days(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """Quiet days are green and so is every quarter of an hour; a third weekday without a new digest is not."""
    subscribe(store, 2)
    assert run(store, service, inbox, clock).is_ok
    clock.go_on(minutes=15)
    assert run(store, service, inbox, clock) == Summary({"not_due": 1}, (), is_ok=True)
    weekdays = 0
    while weekdays < 3:
        clock.go_on(days=1)
        weekdays += clock.now().isoweekday() <= 5
        summary = run(store, service, inbox, clock)
        assert summary.outcomes == {"has_it": 1}
        assert summary.is_ok == (weekdays < 3)

    assert summary.problems == (
        f"1 readers are due and the newest digest is of {TODAY.date()}, 3 weekdays ago: is fetching broken?",
    )
    with store.read() as connection:
        assert runs.newest(connection, KIND, 1)[0].problem == summary.problems[0]
    assert run(store, service, inbox, clock, stale_digest_weekdays=0).is_ok


def test_empty_feeds_are_not_hidden(store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock) -> None:
    """One reader with the newest digest does not make up for two whose feeds are empty; two for one do."""
    subscribe(store, 1, 2, 3)
    with service.client() as client:
        for user_id in ("u000002", "u000003"):
            like(client, user_id, [f"a{n}" for n in range(10)])

    summary = run(store, service, inbox, clock)

    assert summary.outcomes == {"made": 1, "sent": 1, "empty_feed": 2}
    assert summary.problems[0].startswith("2 readers' feeds were empty, and 1 have an issue of the newest digest")
    assert run(store, service, inbox, clock).problems == summary.problems
    subscribe(store, 4)
    assert run(store, service, inbox, clock) == Summary({"not_due": 1, "made": 1, "sent": 1, "empty_feed": 2}, (), True)


def test_a_reader_who_goes_while_issues_are_made(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """Removed or unsubscribed between the feed's request and its end: left out, and the others get theirs."""
    subscribe(store, 1, 2, 3)

    def go(piece: bytes) -> bool:
        if b"part a" in piece:
            with store.write() as connection:
                subscribers.remove(connection, "s000001")
                subscribers.set_state(connection, "s000002", SubscriptionState.UNSUBSCRIBED, clock.now())
        return True

    with proxy(service.target) as watched:
        watched.look = go
        summary = run_through(store, watched.target, inbox, clock)

    assert summary == Summary({"left": 2, "made": 1, "sent": 1}, (), is_ok=True)
    assert inbox.addresses == ["reader3@example.org"]


def test_a_service_that_dies_in_the_middle_of_the_feeds(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """The run says so and fails, and the next one makes what is missing."""
    subscribe(store, *range(1, 31))
    with proxy(service.target) as dying:
        dying.look = lambda piece: b"part a" not in piece
        summary = run_through(store, dying.target, inbox, clock)

    assert not summary.is_ok
    assert "the feed service is not available" in summary.problems[0]
    assert run(store, service, inbox, clock).outcomes["sent"] == 30
    assert len(set(inbox.addresses)) == len(inbox.messages) == 30


def test_a_user_id_that_the_service_refuses(
    store: MailStore, service: RunningService, inbox: Inbox, clock: FixedClock
) -> None:
    """A field that cannot be used ends in a summary and a row of the record, not in a traceback."""
    subscribe(store, 1)
    with store.write() as connection:
        reader = subscribers.find(connection, "s000001")
        assert reader is not None
        subscribers.save(connection, type(reader)(**{**vars(reader), "user_id": "a" * 300}))

    summary = run(store, service, inbox, clock)

    assert not summary.is_ok
    assert "user_ids" in summary.problems[0]
    with store.read() as connection:
        assert runs.newest(connection, KIND, 1)[0].problem == summary.problems[0]


@pytest.mark.parametrize("trouble", ["locked", "read-only", "full"])
def test_a_database_that_takes_nothing(
    sqlite_url: str, service: RunningService, inbox: Inbox, clock: FixedClock, trouble: str
) -> None:
    """Locked, read-only or full: the summary names it, nothing is sent, and the run after it does it all."""
    store = open_store(sqlite_url, busy_timeout_seconds=0.2)
    subscribe(store, 1)
    with contextlib.ExitStack() as stack:
        _spoil(store, sqlite_url.removeprefix("sqlite:///"), trouble, stack)
        summary = run(store, service, inbox, clock)

    assert not summary.is_ok
    assert f"the mailer's database is not available: {WORDS[trouble]}" in summary.problems
    assert inbox.messages == []
    again = open_store(sqlite_url)
    assert run(again, service, inbox, clock).outcomes == {"made": 1, "sent": 1}
    again.dispose()
    store.dispose()


def _spoil(store: MailStore, path: str, trouble: str, stack: contextlib.ExitStack) -> None:
    """Until the stack ends nothing can be written."""
    if trouble == "locked":
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        stack.callback(other.close)
        return
    # Of the writer's one connection: tests may run as root, whom no file mode stops.
    with store.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    raw = store._engines.writer.raw_connection()
    pragma = "PRAGMA query_only = ON" if trouble == "read-only" else f"PRAGMA max_page_count = {pages}"
    raw.cursor().execute(pragma)
    raw.close()
