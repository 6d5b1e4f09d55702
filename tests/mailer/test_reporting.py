"""Reactions of subscribers, forwarded to a real service."""

import logging

import pytest

from mailer.domain.feed import Event
from mailer.domain.issue import Issue
from mailer.reporting import forward_reactions
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import FixedClock
from tests.mailer.builders import subscribe
from tests.mailer.feeds import OwnFeeds


def test_an_event_that_the_service_refuses(
    store: MailStore, feeds: OwnFeeds, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused event is dropped with a warning, and the others are recorded."""
    subscribe(store, feeds, 3)
    user_id, now = feeds.user_id(3), clock.now()
    with store.write() as connection:
        issues.add(connection, Issue("i1", "s000003", "first", "", "<i1@example.org>", "s", b"", (), now))
        for name in ("a1", "a4", "a2", "a3"):
            slate_id = "no slate" if name == "a4" else ""
            event = Event(feeds.paper_id(f"like-{name}"), user_id, feeds.paper_id(name), "like", now, slate_id)
            reactions.add(connection, "s000003", "i1", event)

    with FeedService(feeds.target) as service, caplog.at_level(logging.WARNING, "paperfeed.mail"):
        assert forward_reactions(store, service, clock) == 4

    with feeds.client() as client:
        likes = client.profiles.ListLikes(profile_pb2.ListLikesRequest(user_id=user_id))
    assert {feeds.name(like.paper_id) for like in likes.likes} == {"a1", "a2", "a3"}
    facts = [record.facts["event_id"] for record in caplog.records]  # type: ignore[attr-defined]
    assert facts == [feeds.paper_id("like-a4")]
    with store.read() as connection:
        assert reactions.waiting(connection, 10, clock.now()) == []
