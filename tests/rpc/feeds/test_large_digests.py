"""Digests so large that placing their papers takes long, and vectors that cannot be compared."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import DeletePaperRequest, Paper
from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest, StreamFeedsRequest
from service.app.ranking.candidate_sets import WIDE_DIGEST_PAPERS, BeingPlaced
from service.app.slates import FeedQuery
from service.storage.tables import embeddings
from testing.calls import make_digest, make_papers, record, upsert_ready, wait_until
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, shown


@pytest.fixture
def many(own: Service) -> list[str]:
    """Ids of more papers than are placed by the thread of a call."""
    papers = make_papers(WIDE_DIGEST_PAPERS + 50)
    return [
        each for start in range(0, len(papers), 500) for each in upsert_ready(own.client, papers[start : start + 500])
    ]


def save(client: Client, paper_ids: Sequence[str]) -> None:
    make_digest(client, paper_ids, digest_id="large")


@pytest.mark.slow
def test_calls_can_wait_without_a_thread(own: Service, many: list[str]) -> None:
    """All calls for a large digest get one piece of work to wait for, and find the digest placed after it."""
    save(own.client, many)
    feeds = own.application.feeds
    query = FeedQuery("u", digest_id="large")

    def ask(_: int) -> Any:
        with pytest.raises(BeingPlaced) as waiting:
            feeds.feed(query, page_size=20)
        return waiting.value.done

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))

    assert len(set(map(id, found))) == 1
    assert not found[0].cancel()
    assert len(found[0].result(60).candidates.papers) == len(many)
    assert len(feeds.feed(query, page_size=20).slate.items) > 0
    save(own.client, many[1:])
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: get_feed(own.client, f"u{number}", "large"), range(4)))
    assert all(many[0] not in shown(answer) for answer in answers)


@pytest.mark.slow
def test_a_large_digest_follows_every_change(own: Service, many: list[str]) -> None:
    """After its papers, a text or an order has changed, a large digest gives the feed that a new server gives."""
    client, feeds = own.client, own.application.feeds
    record(client, "ada", "like", many[3], many[4])
    save(client, many)
    get_feed(client, "ada", "large")
    client.catalog.DeletePaper(DeletePaperRequest(paper_id=many[10]))
    upsert_ready(client, [Paper(paper_id=many[20], title="Another title", abstract="vision of graphs", upvotes=3)])
    (new,) = upsert_ready(client, make_papers(1))
    kept = [paper_id for paper_id in many if paper_id != many[10]]
    save(client, [new, *kept[::-1]])

    changed = get_feed(client, "ada", "large", explain=True)
    feeds.candidates._digests.of(feeds.serving.current.loaded)._entries.clear()
    fresh = get_feed(client, "ada", "large", explain=True)

    assert shown(changed) == shown(fresh)
    assert [item.score for item in changed.items] == pytest.approx([item.score for item in fresh.items], abs=1e-5)
    assert changed.pending_paper_count == fresh.pending_paper_count == 0
    streamed = [
        each.slate.user_id
        for each in client.feeds.StreamFeeds(StreamFeedsRequest(digest_ids=["large"], all_users=True))
    ]
    assert streamed == ["ada"]


@pytest.mark.parametrize("size", [4 * 7, 4 * 384 - 1, 0])
@pytest.mark.parametrize("has_bundle", [False, True])
def test_a_vector_of_a_wrong_length(
    start: Callable[..., Service], tiny_bundle: Path, size: int, *, has_bundle: bool
) -> None:
    """It makes its paper pending, in feeds, profiles and searches. A restart embeds the paper again."""
    bundle = str(tiny_bundle) if has_bundle else ""
    service = start(bundle=bundle)
    client, store = service.client, service.application.store
    liked, other, odd, *rest = upsert_ready(client, make_papers(6))
    with store.connection() as connection:
        for paper_id in (other, odd):
            vector = update(embeddings).where(embeddings.c.paper_id == paper_id)
            connection.execute(vector.values(vector=b"\x01" * size, dim=size // 4))
    record(client, "ada", "like", liked, other)
    make_digest(client, [odd, *rest], digest_id="d")

    feed = get_feed(client, "ada", "d", explain=True)
    nearest = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=liked)).papers
    without = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=odd)).papers

    assert set(shown(feed)) == {odd, *rest}
    assert feed.pending_paper_count == 1
    assert {each.paper.paper_id for each in nearest} == set(rest)
    assert list(without) == []
    if has_bundle:
        again = start(bundle=bundle)
        wait_until(lambda: get_feed(again.client, "ada", "d").pending_paper_count == 0)
        assert np.isfinite([item.score for item in get_feed(again.client, "ada", "d").items]).all()
