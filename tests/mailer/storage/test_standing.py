"""What a subscriber was sent, and new issues in place of those that were not sent."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from mailer.domain.issue import IssueState
from mailer.storage import MailStore, issues, open_store, standing, subscribers
from testing.mailer.builders import NOW, fill, issue, subscriber

SUBSCRIBERS = 40


def test_a_sender_and_a_maker_at_once(each_store: MailStore, store_url: str) -> None:
    """While a sender works, either the old issue or the new one with its papers is sent, never both."""
    fill(each_store, SUBSCRIBERS)
    with each_store.read() as connection:
        unsent = {
            number: standing.of_subscribers(connection, [f"s{number:06d}"])[f"s{number:06d}"].unsent
            for number in range(SUBSCRIBERS)
        }

    def make() -> list[str]:
        own, outcomes = open_store(store_url), []
        for number in range(SUBSCRIBERS):
            with own.write() as connection:
                outcomes.append(standing.add_in_place(connection, issue(number, "d2"), unsent[number]))
        own.dispose()
        return outcomes

    def send() -> None:
        own = open_store(store_url)
        for _ in range(SUBSCRIBERS):
            with own.write() as connection:
                held = [
                    each.issue_id
                    for each in issues.claim(connection, "sender", NOW, dt.timedelta(minutes=1), 1)
                    if each.issue_id.endswith("d1")
                ]
            with own.write() as connection:
                for issue_id in held:
                    issues.mark_sent(connection, issue_id, NOW)
        own.dispose()

    with ThreadPoolExecutor(2) as pool:
        making, sending = pool.submit(make), pool.submit(send)
        sending.result()
        outcomes = making.result()

    assert set(outcomes) <= {"made", "in_flight"}
    with each_store.read() as connection:
        for number, outcome in enumerate(outcomes):
            found = {each.digest_id: each.state for each in issues.of_subscribers(connection, [f"s{number:06d}"])}
            if outcome == "made":
                assert found["d1"] is IssueState.CANCELLED
                assert found["d2"] in {IssueState.DUE, IssueState.CLAIMED}
            else:
                assert found == {"d1": IssueState.SENT}


def test_standing(each_store: MailStore) -> None:
    """``unsent`` holds the issues after the last sent one, and a failed issue does not count as received."""
    later = NOW + dt.timedelta(days=1)
    with each_store.write() as connection:
        subscribers.add(connection, subscriber(1))
        issues.add(connection, issue(1, "d1"))
        issues.mark_sent(connection, "i000001-d1", NOW)
        issues.add(connection, issue(1, "d2", created_at=later))
        issues.claim(connection, "x", later, dt.timedelta(minutes=1), 1)
        held = standing.of_subscribers(connection, ["s000001"])["s000001"]
        issues.mark_failed(connection, "i000001-d2", "x", "no")
        failed = standing.of_subscribers(connection, ["s000001"])["s000001"]

        assert (held.is_in_flight, held.has("d1"), held.has("d2")) == (True, True, True)
        assert (failed.is_in_flight, failed.has("d1"), failed.has("d2")) == (False, True, False)
        assert [each.digest_id for each in failed.unsent] == ["d2"]
        assert standing.of_subscribers(connection, ["s000002"]) == {}
        assert standing.count_served(connection, "d1") == 1
        assert standing.count_served(connection, "d2") == 0


def test_an_issue_in_place_of_others(each_store: MailStore) -> None:
    """A new issue replaces the waiting ones and keeps their attempts, unless the subscriber has it or has left."""
    later = NOW + dt.timedelta(days=1)
    fill(each_store, 2)
    with each_store.write() as connection:
        issues.claim(connection, "x", NOW, dt.timedelta(minutes=1), 2)
        issues.postpone(connection, "i000000-d1", "x", NOW, "450 later")
        issues.mark_sent(connection, "i000001-d1", NOW)
        unsent = standing.of_subscribers(connection, ["s000000"])["s000000"].unsent
        assert standing.waiting_subscribers(connection) == {"s000000"}

        assert standing.add_in_place(connection, issue(0, "d2", created_at=later), unsent) == "made"
        assert standing.add_in_place(connection, issue(1, "d1"), ()) == "has_it"
        assert standing.add_in_place(connection, issue(9, "d2"), ()) == "left"

        (claimed,) = issues.claim(connection, "y", later, dt.timedelta(minutes=1), 5)
        assert (claimed.issue_id, claimed.attempt_count) == ("i000000-d2", 1)
        assert [each.issue_id for each in issues.list_of(connection, "s000001", 5)] == ["i000001-d1"]


def test_issues_returned_in_a_row(each_store: MailStore) -> None:
    """Returned issues are counted back to the last one that arrived."""
    with each_store.write() as connection:
        subscribers.add(connection, subscriber(1))
        for day in range(4):
            issues.add(connection, issue(1, f"d{day}", created_at=NOW + dt.timedelta(days=day)))
            issues.mark_sent(connection, f"i000001-d{day}", NOW)
        found = issues.of_subscribers(connection, ["s000001"])
        counts = [standing.note_returned(connection, found[day], "5.2.2 full") for day in (0, 2, 3)]
    assert counts == [1, 1, 2]
