"""Trends in feeds are current on every process and leave out future and own events. On each engine."""

import datetime as dt
from typing import Any

import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import Paper, UpsertPapersRequest
from paperfeed.v1.feed_pb2 import REASON_TYPE_TRENDING, GetFeedRequest, Slate
from paperfeed.v1.profile_pb2 import DeleteUserRequest
from testing.calls import at, fresh, make_digest, make_papers, rank_request, record, upsert, upsert_ready
from testing.servers import Service, serving
from tests.rpc.feed_calls import shown

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def get_feed(client: Client, user: str, digest: str, **fields: Any) -> Slate:
    return client.feeds.GetFeed(
        GetFeedRequest(user_id=user, digest_id=digest, page_size=100, explain=True, **fields)
    ).slate


def trending(feed: Slate) -> set[str]:
    return {item.paper.paper_id for item in feed.items if any(r.type == REASON_TYPE_TRENDING for r in item.reasons)}


def heat(client: Client, *paper_ids: str, kind: str = "like", when: dt.datetime | None = None) -> str:
    """Record an event of a new user on each paper; return the user."""
    user = fresh("crowd")
    record(client, user, kind, *paper_ids, when=when or now() - HOUR)
    return user


def test_a_like_is_a_trend_at_once(client: Client) -> None:
    """The next feed of the same digest shows new events as a trend, and no longer those of a deleted user."""
    digest_ids = upsert(client, make_papers(4))
    digest, unknown = make_digest(client, digest_ids), fresh("user")
    assert trending(get_feed(client, unknown, digest)) == set()

    first = heat(client, digest_ids[2])
    assert trending(get_feed(client, unknown, digest)) == {digest_ids[2]}
    heat(client, digest_ids[3], kind="click")
    assert shown(get_feed(client, unknown, digest))[:2] == [digest_ids[2], digest_ids[3]]

    client.profiles.DeleteUser(DeleteUserRequest(user_id=first))
    assert trending(get_feed(client, unknown, digest)) == {digest_ids[3]}


def test_on_every_process(service: Service) -> None:
    """Events recorded on one process are a trend in the next feed of another."""
    client = service.client
    digest_ids = upsert(client, make_papers(3))
    digest, unknown = make_digest(client, digest_ids), fresh("user")
    with serving(service.url) as other:
        assert trending(get_feed(other.client, unknown, digest)) == set()
        heat(client, digest_ids[1])
        client.catalog.UpsertPapers(
            UpsertPapersRequest(
                papers=[Paper(paper_id=digest_ids[2], title="Now with upvotes " + fresh("t"), upvotes=99)]
            )
        )
        assert shown(get_feed(other.client, unknown, digest))[:2] == [digest_ids[2], digest_ids[1]]


def test_nothing_from_the_future(client: Client) -> None:
    """Events after as_of are no reason in a feed."""
    digest_ids = upsert(client, make_papers(3))
    digest, unknown = make_digest(client, digest_ids), fresh("user")
    heat(client, digest_ids[1], when=now() - 3 * HOUR)
    heat(client, digest_ids[2], when=now() - HOUR)

    assert trending(get_feed(client, unknown, digest, as_of=at(now() - 2 * HOUR))) == {digest_ids[1]}
    assert trending(get_feed(client, unknown, digest, as_of=at(now() - 4 * HOUR))) == set()


def test_own_clicks_are_no_trend(client: Client) -> None:
    """A user's own clicks are no trend in the user's feed."""
    digest_ids = upsert(client, make_papers(3))
    digest, user = make_digest(client, digest_ids), fresh("user")
    record(client, user, "click", digest_ids[1], when=now() - HOUR)

    assert trending(get_feed(client, user, digest)) == set()
    assert trending(get_feed(client, fresh("user"), digest)) == {digest_ids[1]}


def test_trend_in_the_model(client: Client) -> None:
    """For a user with likes, a trending paper rises and has the reason; RankPapers gives the same scores."""
    digest_ids = upsert_ready(client, make_papers(8, "robots"))
    digest, user = make_digest(client, digest_ids), fresh("user")
    record(client, user, "like", *upsert_ready(client, make_papers(4)))
    before = {item.paper.paper_id: item.score for item in get_feed(client, user, digest, diversity=0).items}
    for _ in range(3):
        heat(client, digest_ids[6])

    feed = get_feed(client, user, digest, diversity=0)

    after = {item.paper.paper_id: item.score for item in feed.items}
    rises = {paper_id: after[paper_id] - before[paper_id] for paper_id in digest_ids}
    assert max(rises, key=lambda paper_id: rises[paper_id]) == digest_ids[6]
    assert trending(feed) == {digest_ids[6]}
    ranked = client.feeds.RankPapers(rank_request(user_id=user, candidate_paper_ids=digest_ids, as_of=feed.as_of))
    assert {item.paper_id: item.score for item in ranked.items} == after
