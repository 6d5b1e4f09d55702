"""GetFeed and GetSlate: pages and contents of a slate."""

import datetime as dt
from typing import Any

import grpc

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_BASIC, PAPER_VIEW_FULL
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_NEW_USER,
    GetFeedRequest,
    GetFeedResponse,
    GetSlateRequest,
)
from testing.calls import (
    MONDAY,
    at,
    failing,
    fresh,
    make_digest,
    make_papers,
    record,
    upsert,
    upsert_ready,
)
from testing.servers import Service, serving
from tests.rpc.feed_calls import get_feed, shown

DAY = dt.timedelta(days=1)


def pages_of(client: Client, request: GetFeedRequest) -> list[GetFeedResponse]:
    pages = [client.feeds.GetFeed(request)]
    while token := pages[-1].next_page_token:
        request.page_token = token
        pages.append(client.feeds.GetFeed(request))
    return pages


def test_pages_pin_the_slate(client: Client) -> None:
    """Likes, papers and digests that arrive between two pages do not change the slate."""
    papers = upsert_ready(client, [*make_papers(6), *make_papers(6, "graphs")])
    digest, user = make_digest(client, papers), fresh("user")
    whole = get_feed(client, user, digest, as_of=at(MONDAY))
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=5, as_of=at(MONDAY))
    first = client.feeds.GetFeed(request)
    later_liked = shown(whole)[0]
    record(client, user, "like", later_liked)
    make_digest(client, upsert_ready(client, make_papers(3)), digest_id=digest)
    request.page_token = first.next_page_token

    second, third = pages_of(client, request)

    pages = [page.slate for page in (first, second, third)]
    assert [paper_id for page in pages for paper_id in shown(page)] == shown(whole)
    assert [item.rank for page in pages for item in page.items] == list(range(1, 13))
    for page in pages:
        page.ClearField("items")
    assert pages[1:] == pages[:1] * 2
    assert pages[0].fallback_reason == FALLBACK_REASON_NEW_USER
    assert pages[0].total_size == 12
    assert pages[0].as_of == at(MONDAY)


def test_later_pages_leave_out_what_was_reacted_to_since(client: Client) -> None:
    """A paper dismissed after the first page is left out of the second, whose ranks keep the gap."""
    papers = upsert_ready(client, make_papers(6))
    digest, user = make_digest(client, papers), fresh("user")
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=3)
    first = client.feeds.GetFeed(request)
    slate_request = GetSlateRequest(slate_id=first.slate.slate_id)
    slate = client.feeds.GetSlate(slate_request).slate
    record(client, user, "dismiss", slate.items[4].paper.paper_id)
    request.page_token = first.next_page_token

    second = client.feeds.GetFeed(request)

    assert [item.rank for item in second.slate.items] == [4, 6]
    assert second.next_page_token == ""
    assert client.feeds.GetSlate(slate_request).slate == slate


def test_page_size_may_change_between_pages(client: Client) -> None:
    """Pages of different sizes form the slate without gaps or repeats."""
    digest = make_digest(client, upsert_ready(client, make_papers(7)))
    request = GetFeedRequest(user_id=fresh("user"), digest_id=digest, page_size=2)
    first = client.feeds.GetFeed(request)
    request.page_token, request.page_size = first.next_page_token, 4

    second, third = pages_of(client, request)

    assert [item.rank for page in (first, second, third) for item in page.slate.items] == list(range(1, 8))


def test_default_page_and_the_typed_iterator(client: Client) -> None:
    """A page size of 0 means 20 items, and the client's iterator reads all pages of one slate."""
    digest = make_digest(client, upsert_ready(client, make_papers(45)))
    request = GetFeedRequest(user_id=fresh("user"), digest_id=digest)

    items = list(client.feed_items(request))

    assert len(client.feeds.GetFeed(request).slate.items) == 20
    assert [item.rank for item in items] == list(range(1, 46))
    assert len({item.paper.paper_id for item in items}) == 45


def test_slates_store_500_places(client: Client) -> None:
    """A slate has at most 500 papers."""
    paper_ids = upsert(client, make_papers(520))
    digest = make_digest(client, paper_ids)

    feed = get_feed(client, fresh("user"), digest)

    assert feed.total_size == 500
    request = GetSlateRequest(slate_id=feed.slate_id, page_size=100)
    assert [item.rank for item in client.slate_items(request)] == list(range(1, 501))
    assert len(client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).slate.items) == 20
    request.page_token = client.feeds.GetSlate(request).next_page_token
    request.slate_id = get_feed(client, fresh("user"), digest).slate_id
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN", "page_token"):
        client.feeds.GetSlate(request)


def test_a_page_agrees_on_every_server(each_engine: Service, tiny_bundle: Any) -> None:
    """A token issued by one server gives the same page on another server of the same database."""
    client = each_engine.client
    papers = upsert_ready(client, make_papers(6))
    liked, *rest = papers
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=2, explain=True)
    first = client.feeds.GetFeed(request)
    request.page_token = first.next_page_token

    with serving(each_engine.url, bundle=str(tiny_bundle)) as other:
        there = other.client.feeds.GetFeed(request).slate
        here = client.feeds.GetFeed(request).slate
        same = GetFeedRequest(user_id=user, digest_id=digest, page_size=4, as_of=at(MONDAY), explain=True)
        new_there, new_here = other.client.feeds.GetFeed(same).slate, client.feeds.GetFeed(same).slate

    assert there == here
    assert [item.rank for item in there.items] == [3, 4]
    assert list(new_there.items) == list(new_here.items)
    assert new_there.slate_id != new_here.slate_id


def test_get_slate_is_what_was_served(client: Client) -> None:
    """GetSlate returns all items with the scores and reasons of GetFeed."""
    liked, *rest = upsert_ready(client, make_papers(5))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)
    feed = get_feed(client, user, digest, explain=True)

    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).slate

    assert slate == feed
    assert (slate.user_id, list(slate.digest_ids)) == (user, [digest])
    assert slate.created_at.ToNanoseconds() >= slate.as_of.ToNanoseconds()


def test_view_decides_about_abstracts(client: Client) -> None:
    """BASIC, the default, leaves out the abstract, and FULL includes it; all else is equal."""
    (paper,) = papers = make_papers(1, authors=["Ada Lovelace"], upvotes=3)
    digest = make_digest(client, upsert_ready(client, papers))
    feeds = {
        view: get_feed(client, fresh("user"), digest, view=view) for view in (0, PAPER_VIEW_BASIC, PAPER_VIEW_FULL)
    }

    by_view = {view: feed.items[0].paper for view, feed in feeds.items()}
    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=feeds[0].slate_id, view=PAPER_VIEW_FULL)).slate

    assert by_view[0] == by_view[PAPER_VIEW_BASIC]
    assert by_view[0].abstract == ""
    assert by_view[0].authors == ["Ada Lovelace"]
    assert by_view[PAPER_VIEW_FULL].abstract == slate.items[0].paper.abstract == paper.abstract
