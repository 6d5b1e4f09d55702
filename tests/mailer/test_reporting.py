"""Reactions of subscribers, forwarded to a real service."""

import logging
from pathlib import Path

import pytest

from mailer.domain.feed import Event
from mailer.domain.issue import Issue
from mailer.reporting import forward_reactions, record_known
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions
from paperfeed.v1 import profile_pb2
from testing.calls import ids, make_papers, upsert
from testing.mailer.builders import FixedClock
from testing.servers import serving
from tests.mailer.builders import subscribe
from tests.mailer.feeds import OwnFeeds


def test_a_user_with_too_many_likes_delays_nobody(tmp_path: Path, clock: FixedClock) -> None:
    """A like beyond the service's limit is dropped, and the likes of others are recorded."""
    users = ["ada", "ada", "bob"]
    with (
        serving(f"sqlite:///{tmp_path / 'feeds.db'}", max_likes=1) as feeds,
        FeedService(feeds.target) as service,
    ):
        papers = upsert(feeds.client, make_papers(3))
        likes = [
            Event(f"like-{paper}", user, paper, "like", clock.now(), "")
            for user, paper in zip(users, papers, strict=True)
        ]

        record_known(service, likes)

        requests = [profile_pb2.ListLikesRequest(user_id=user) for user in ("ada", "bob")]
        liked = [ids(feeds.client.profiles.ListLikes(request).likes) for request in requests]
    assert liked == [papers[:1], papers[2:]]


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
