"""The outbox with several mailers at work at the same time."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mailer.domain.issue import IssueState
from mailer.domain.subscription import SubscriptionState
from mailer.storage import MailStore, issues, open_store, subscribers
from testing.mailer.builders import NOW, fill, issue, subscriber

LEASE = dt.timedelta(seconds=60)
LATER = NOW + dt.timedelta(seconds=61)


def test_an_issue_is_there_once(each_store: MailStore) -> None:
    """A second issue for the same subscriber and digest is not added."""
    fill(each_store, 1)
    with each_store.write() as connection:
        assert not issues.add(connection, replace(issue(0), issue_id="other", message_id="<other@example.org>"))
        assert issues.add(connection, issue(0, "d2"))


def test_two_makers_at_once(each_store: MailStore, store_url: str) -> None:
    """Mailers that add the same issues at the same time leave one of each, and none fails."""
    with each_store.write() as connection:
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
    with each_store.read() as connection:
        for number in range(20):
            (stored,) = issues.of_subscribers(connection, [f"s{number:06d}"])
            assert len(issues.papers_of(connection, stored.issue_id)) == 1


def test_two_mailers_share_one_outbox(each_store: MailStore) -> None:
    """A claimed issue is free for others when its lease ends; a late result of the first owner changes nothing."""
    fill(each_store, 4)
    with each_store.write() as connection:
        first = issues.claim(connection, "a", NOW, LEASE, 3)
        second = issues.claim(connection, "b", NOW, LEASE, 3)
        assert (len(first), len(second)) == (3, 1)
        assert issues.claim(connection, "c", NOW, LEASE, 3) == []
        issues.mark_sent(connection, first[0].issue_id, NOW)
        issues.renew(connection, "b", LATER, LEASE)
        again = issues.claim(connection, "c", LATER, LEASE, 10)
        assert {each.issue_id for each in again} == {each.issue_id for each in first[1:]}
        issues.mark_failed(connection, first[1].issue_id, "a", "too late")
        issues.release(connection, "a", LATER, "")
        assert issues.counts(connection, LATER)["claimed"] == 3


def test_attempts(each_store: MailStore) -> None:
    """Postponing counts an attempt and sets the next one; releasing counts none and makes the issue due at once."""
    fill(each_store, 2)
    with each_store.write() as connection:
        issues.claim(connection, "a", NOW, LEASE, 2)
        issues.postpone(connection, "i000000-d1", "a", LATER, "greylisted")
        issues.release(connection, "a", NOW, "stopped")
        assert issues.counts(connection, NOW) == {"due": 1, "later": 1, "claimed": 0, "unreported": 0}
        assert [each.attempt_count for each in issues.claim(connection, "b", LATER, LEASE, 2)] == [0, 1]


def test_claiming_for_a_subscriber_who_left(each_store: MailStore) -> None:
    """The issue that a dead mailer held is cancelled, not claimed, if its subscriber has left meanwhile."""
    fill(each_store, 2)
    with each_store.write() as connection:
        issues.claim(connection, "dead", NOW, LEASE, 1)
        subscribers.end(connection, "s000000", SubscriptionState.UNSUBSCRIBED, NOW)
        found = issues.claim(connection, "next", LATER, LEASE, 5)
        assert [each.issue_id for each in found] == ["i000001-d1"]
        (left,) = issues.of_subscribers(connection, ["s000000"])
    assert left.state is IssueState.CANCELLED


def test_reported_and_pruned(each_store: MailStore) -> None:
    """Sent issues are unreported until marked; pruning deletes the issues made before a time, with their papers."""
    fill(each_store, 2)
    with each_store.write() as connection:
        issues.mark_sent(connection, "i000000-d1", NOW)
        assert [each.issue_id for each in issues.unreported(connection, 5)] == ["i000000-d1"]
        issues.mark_reported(connection, ["i000000-d1"], NOW)
        assert issues.unreported(connection, 5) == []
        assert issues.prune(connection, NOW) == 0
        assert issues.prune(connection, LATER) == 2
        assert issues.papers_of(connection, "i000000-d1") == []


@pytest.mark.parametrize("message_id", ["<i000000-d1@example.org>", "<none@example.org>"])
def test_finding_by_message_id(each_store: MailStore, message_id: str) -> None:
    """An issue is found by its Message-ID, and nothing by an unknown one."""
    fill(each_store, 1)
    with each_store.read() as connection:
        found = issues.find_by_message_id(connection, message_id)
        assert found == (issues.find(connection, "i000000-d1") if "i000000" in message_id else None)
