"""What readers did, told to a real service."""

import logging

import pytest

from mailer.domain.feed import Event
from mailer.domain.issue import Issue
from mailer.reporting import forward_reactions
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions, subscribers
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import TODAY, FixedClock, subscriber
from testing.mailer.feed_service import RunningService


def test_an_event_that_the_service_refuses(
    store: MailStore, service: RunningService, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is set aside with a warning, and holds up none of the others."""
    with store.write() as connection:
        subscribers.add(connection, subscriber(3))
        issues.add(connection, Issue("i1", "s000003", "first", "", "<i1@example.org>", "s", b"", (), TODAY))
        for number, paper_id in enumerate(["a1", "a4", "a2", "a3"]):
            event = Event(f"e{number}", "u000003", paper_id, "like", TODAY, "no slate" if paper_id == "a4" else "")
            reactions.add(connection, "s000003", "i1", event)

    with FeedService(service.target) as feeds, caplog.at_level(logging.WARNING, "paperfeed.mail"):
        assert forward_reactions(store, feeds, clock) == 4

    with service.client() as client:
        likes = client.profiles.ListLikes(profile_pb2.ListLikesRequest(user_id="u000003"))
    assert {like.paper_id for like in likes.likes} == {"a1", "a2", "a3"}
    assert [record.facts["event_id"] for record in caplog.records] == ["e1"]  # type: ignore[attr-defined]
    with store.read() as connection:
        assert reactions.waiting(connection, 10) == []
