"""Trends in feeds: fresh on every process, never from the future, never of the reader's own making. On each engine."""

import datetime as dt
from typing import Any

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import Paper, UpsertPapersRequest
from paperfeed.v1.feed_pb2 import REASON_TYPE_TRENDING, GetFeedRequest, GetFeedResponse, RankPapersRequest
from paperfeed.v1.profile_pb2 import DeleteUserRequest
from testing.calls import at, fresh, make_digest, make_papers, record, upsert, upsert_ready
from testing.servers import Service, serving

HOUR = dt.timedelta(hours=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def get_feed(client: Client, user: str, digest: str, **fields: Any) -> GetFeedResponse:
    return client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest, page_size=100, explain=True, **fields))


def trending(feed: GetFeedResponse) -> set[str]:
    return {item.paper.paper_id for item in feed.items if any(r.type == REASON_TYPE_TRENDING for r in item.reasons)}


def shown(feed: GetFeedResponse) -> list[str]:
    return [item.paper.paper_id for item in feed.items]


def heat(client: Client, *paper_ids: str, kind: str = "like", when: dt.datetime | None = None) -> str:
    """A like of each paper by a reader of its own; gives the reader."""
    user = fresh("crowd")
    record(client, user, kind, *paper_ids, when=when or now() - HOUR)
    return user


def test_a_like_is_a_trend_at_once(client: Client) -> None:
    """A stranger's feed follows likes as they come, on the same digest, and forgets those of a deleted reader."""
    digest_ids = upsert(client, make_papers(4))
    digest, stranger = make_digest(client, digest_ids), fresh("user")
    assert trending(get_feed(client, stranger, digest)) == set()

    first = heat(client, digest_ids[2])
    assert trending(get_feed(client, stranger, digest)) == {digest_ids[2]}
    heat(client, digest_ids[3], kind="click")
    assert shown(get_feed(client, stranger, digest))[:2] == [digest_ids[2], digest_ids[3]]

    client.profiles.DeleteUser(DeleteUserRequest(user_id=first))
    assert trending(get_feed(client, stranger, digest)) == {digest_ids[3]}


def test_on_every_process(service: Service) -> None:
    """What one process records is a trend on another with the next call."""
    client = service.client
    digest_ids = upsert(client, make_papers(3))
    digest, stranger = make_digest(client, digest_ids), fresh("user")
    with serving(service.url) as other:
        assert trending(get_feed(other.client, stranger, digest)) == set()
        heat(client, digest_ids[1])
        client.catalog.UpsertPapers(
            UpsertPapersRequest(
                papers=[Paper(paper_id=digest_ids[2], title="Now with upvotes " + fresh("t"), upvotes=99)]
            )
        )
        assert shown(get_feed(other.client, stranger, digest))[:2] == [digest_ids[2], digest_ids[1]]


def test_nothing_from_the_future(client: Client) -> None:
    """Likes and upvotes after as_of neither order a feed nor are a reason."""
    digest_ids = upsert(client, make_papers(3))
    digest, stranger = make_digest(client, digest_ids), fresh("user")
    heat(client, digest_ids[1], when=now() - 3 * HOUR)
    heat(client, digest_ids[2], when=now() - HOUR)

    assert trending(get_feed(client, stranger, digest, as_of=at(now() - 2 * HOUR))) == {digest_ids[1]}
    assert trending(get_feed(client, stranger, digest, as_of=at(now() - 4 * HOUR))) == set()


def test_own_clicks_are_no_trend(client: Client) -> None:
    """Nobody is told that the own clicks are a trend."""
    digest_ids = upsert(client, make_papers(3))
    digest, user = make_digest(client, digest_ids), fresh("user")
    record(client, user, "click", digest_ids[1], when=now() - HOUR)

    assert trending(get_feed(client, user, digest)) == set()
    assert trending(get_feed(client, fresh("user"), digest)) == {digest_ids[1]}


def test_trend_in_the_model(client: Client) -> None:
    """For a reader with likes a hot paper rises and says so, as RankPapers does of the same papers."""
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
    ranked = client.feeds.RankPapers(RankPapersRequest(user_id=user, candidate_paper_ids=digest_ids, as_of=feed.as_of))
    assert {item.paper_id: item.score for item in ranked.items} == after
