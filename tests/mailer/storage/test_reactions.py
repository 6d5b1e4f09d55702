"""Reactions in the database: repeats, clicks of scanners, and the order of forwarding."""

import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from mailer.domain.feed import Event
from mailer.storage import MailStore, issues, reactions, subscribers
from testing.mailer.builders import NOW, issue, subscriber

MINUTE = dt.timedelta(minutes=1)
ISSUE = "i000001-d1"


@pytest.fixture
def connection(each_store: MailStore) -> Iterator[Connection]:
    """A transaction on a store with one subscriber and one issue."""
    with each_store.write() as opened:
        subscribers.add(opened, subscriber(1))
        issues.add(opened, issue(1))
        yield opened


def event(name: str, event_type: str = "like", paper_id: str = "p1", at: dt.datetime = NOW) -> Event:
    """Return an event of subscriber 1."""
    return Event(name, "u000001", paper_id, event_type, at, "slate")


def waiting(connection: Connection, clicks_before: dt.datetime = NOW + 9 * MINUTE) -> list[str]:
    """Return the ids of the events to forward."""
    return [each.event_id for _, each in reactions.waiting(connection, 10, clicks_before)]


def test_an_event_is_stored_once(connection: Connection) -> None:
    """A second event of the same id is not stored; forwarded events no longer wait."""
    assert reactions.add(connection, "s000001", ISSUE, event("e1"))
    assert not reactions.add(connection, "s000001", ISSUE, event("e1", "save"))
    assert reactions.add(connection, "s000001", ISSUE, event("e2", "dislike"))

    (sequence, first), (_, second) = reactions.waiting(connection, 10, NOW)
    assert (first, second) == (event("e1"), event("e2", "dislike"))
    reactions.mark_forwarded(connection, [sequence], NOW)
    assert waiting(connection) == ["e2"]


def test_the_latest_reaction_counts(connection: Connection) -> None:
    """The latest deliberate reaction to each paper is returned; clicks are neither counted nor returned."""
    reactions.add(connection, "s000001", ISSUE, event("e1", "like", at=NOW + MINUTE))
    reactions.add(connection, "s000001", ISSUE, event("e2", "dislike"))
    reactions.add(connection, "s000001", ISSUE, event("e3", "save", "p2"))
    reactions.add(connection, "s000001", ISSUE, event("mail-click-1", "click", at=NOW + 2 * MINUTE))

    assert reactions.latest(connection, ISSUE) == {"p1": "like", "p2": "save"}
    assert reactions.count(connection, ISSUE, "p1") == 2


def test_clicks_of_a_scanner(connection: Connection) -> None:
    """Clicks marked as a scanner's are not forwarded; a later click of the subscriber in the same hour is."""
    for number in range(3):
        reactions.add_click(connection, "s000001", ISSUE, event(f"mail-click-{number}", "click", f"p{number}"))
    reactions.add(connection, "s000001", ISSUE, event("mail-scan-1", "click"), is_scanner=True)

    assert reactions.clicks_since(connection, ISSUE, NOW) == 3
    assert reactions.clicks_since(connection, ISSUE, NOW + MINUTE) == 0
    reactions.mark_scanner(connection, ISSUE, NOW)
    assert waiting(connection) == []
    reactions.add_click(connection, "s000001", ISSUE, event("mail-click-1", "click", "p1", NOW + MINUTE))
    assert waiting(connection) == ["mail-click-1"]


def test_clicks_wait(connection: Connection) -> None:
    """Recent clicks are not forwarded yet; other reactions are."""
    reactions.add(connection, "s000001", ISSUE, event("e1"))
    reactions.add_click(connection, "s000001", ISSUE, event("mail-click-1", "click"))

    assert waiting(connection, NOW) == ["e1"]
    assert waiting(connection, NOW + MINUTE) == ["e1", "mail-click-1"]
