"""Batch writes what the server returns: the same order and reasons, and the same scores up to rounding."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.cluster import Cluster, open_cluster
from batch.rerank.population import Population
from paperfeed.v1.feed_pb2 import (
    GetFeedRequest,
    StreamFeedsRequest,
)
from service.domain.events import Event, EventType
from service.encoder import HashingEncoder
from service.storage import open_store
from testing.calls import at
from testing.servers import Service, serving
from tests.batch.reranks import FEW_USERS_BYTES, Rerank, assert_agree, assert_all_agree, said, slates, written
from tests.batch.worlds import DIGEST, NOW, World, fill, library

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
PAGE = 20
MANY_LIKES = 15_000
"""Liked papers that do not fit the memory that a worker keeps for them."""
MANY_USERS_BYTES = 24 * FEW_USERS_BYTES


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three hundred users: every combination of what ``fill`` varies; not to be written to."""
    return fill(f"sqlite:///{tmp_path_factory.mktemp('parity') / 'world.db'}", 300)


@pytest.fixture(scope="module")
def server(world: World, bundle: Path) -> Iterator[Service]:
    """A real server on the users."""
    with serving(world.url, embeds=False, bundle=str(bundle)) as found:
        yield found


@pytest.fixture(scope="module")
def feeds(server: Service, world: World) -> dict[str, list[tuple[Any, ...]]]:
    """The feed of every user, from GetFeed."""
    stub = server.client.feeds
    request = GetFeedRequest(digest_id=DIGEST, page_size=PAGE, explain=True, as_of=at(NOW))
    found = {}
    for user_id in world.user_ids:
        request.user_id = user_id
        found[user_id] = said(stub.GetFeed(request).slate)
    return found


class TestEveryUser:
    """Users with and without likes, dislikes, preferences, times and vectors."""

    def test_stream_feeds_agrees(self, server: Service, feeds: dict[str, Any]) -> None:
        """StreamFeeds returns what GetFeed returns."""
        request = StreamFeedsRequest(all_users=True, digest_ids=[DIGEST], limit=PAGE, explain=True, as_of=at(NOW))

        answers = server.client.feeds.StreamFeeds(request)
        assert_all_agree({answer.slate.user_id: said(answer.slate) for answer in answers}, feeds)

    def test_one_worker_agrees(self, world: World, feeds: dict[str, Any], rerank: Rerank) -> None:
        """Batch on one worker writes what GetFeed returns."""
        with open_cluster(workers=1) as one:
            rerank.run(rerank.request(world, page_size=PAGE, partition_bytes=MANY_USERS_BYTES), one)

        found = slates(rerank.out)
        assert_all_agree({user_id: written(found, user_id) for user_id in world.user_ids}, feeds)
        assert any(row["reasons"] for rows in found.values() for row in rows)
        assert {row["fallback_reason"] for rows in found.values() for row in rows} == {"none", "new_user"}

    def test_two_workers_agree(self, world: World, feeds: dict[str, Any], rerank: Rerank, cluster: Cluster) -> None:
        """Batch on two workers writes what GetFeed returns."""
        rerank.run(rerank.request(world, page_size=PAGE, partition_bytes=MANY_USERS_BYTES), cluster)

        found = slates(rerank.out)
        assert list(found) == [user_id for user_id in world.user_ids if feeds[user_id]]
        assert_all_agree({user_id: written(found, user_id) for user_id in world.user_ids}, feeds)


def test_unknown_user_agrees(world: World, server: Service, rerank: Rerank, cluster: Cluster) -> None:
    """An unknown user gets the slate that GetFeed returns to a new user."""
    answer = server.client.feeds.GetFeed(
        GetFeedRequest(user_id="nobody", digest_id=DIGEST, page_size=PAGE, explain=True, as_of=at(NOW))
    ).slate

    rerank.run(rerank.request(world, users=Population(("nobody",)), page_size=PAGE), cluster)

    assert_agree(written(slates(rerank.out), "nobody"), said(answer))


def test_user_with_many_likes_agrees(rerank: Rerank, threads: Cluster, bundle: Path, tmp_path: Path) -> None:
    """A user with more likes than fit a worker's memory gets the slate that GetFeed returns, and so do the others."""
    world = fill(f"sqlite:///{tmp_path / 'many.db'}", 30)
    store = open_store(world.url)
    papers = library(MANY_LIKES, "m", 5)
    vectors = np.random.default_rng(0).standard_normal((len(papers), 384)).astype(np.float32)
    with store.write() as tx:
        tx.papers.upsert(papers, NOW)
        hashed = {paper.paper_id: (paper.text_hash, row) for paper, row in zip(papers, vectors, strict=True)}
        tx.papers.store_vectors(HashingEncoder.name, hashed)
        tx.users.record(
            [Event(f"many-{i}", "u00007", paper.paper_id, EventType.LIKE) for i, paper in enumerate(papers)], NOW
        )
    store.dispose()

    rerank.run(rerank.request(world, page_size=PAGE), threads)

    found = slates(rerank.out)
    assert list(found) == sorted(world.user_ids)
    request = GetFeedRequest(digest_id=DIGEST, page_size=PAGE, explain=True, as_of=at(NOW))
    with serving(world.url, embeds=False, bundle=str(bundle)) as service:
        for user_id in ("u00006", "u00007", "u00008"):
            request.user_id = user_id
            assert_agree(written(found, user_id), said(service.client.feeds.GetFeed(request).slate))
