"""Batch gives what the server gives: the same order, scores and reasons."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.cluster import Cluster, open_cluster
from batch.population import Population
from paperfeed.v1.feed_pb2 import (
    FallbackReason,
    GetFeedRequest,
    GetFeedResponse,
    ReasonType,
    StreamFeedsRequest,
)
from testing.calls import at
from testing.servers import Service, serving
from tests.batch.asking import FEW_USERS_BYTES, Asking, Slates, slates
from tests.batch.worlds import DIGEST, NOW, World

PAGE = 20
MANY_USERS_BYTES = 12 * FEW_USERS_BYTES


@pytest.fixture(scope="module")
def server(world: World, bundle: Path) -> Iterator[Service]:
    """A real server on the thousand readers."""
    with serving(world.url, embeds=False, bundle=str(bundle)) as found:
        yield found


def said(answer: GetFeedResponse) -> list[tuple[Any, ...]]:
    """What a feed says, as plain values."""
    fallback = FallbackReason.Name(answer.fallback_reason).removeprefix("FALLBACK_REASON_").lower()
    return [
        (
            item.rank,
            item.paper.paper_id,
            item.score,
            tuple(
                (
                    ReasonType.Name(reason.type).removeprefix("REASON_TYPE_").lower(),
                    reason.subject,
                    reason.paper_id,
                    np.float32(reason.similarity) if reason.HasField("similarity") else None,
                )
                for reason in item.reasons
            ),
            answer.model_version,
            fallback,
        )
        for item in answer.items
    ]


def written(found: Slates, user_id: str) -> list[tuple[Any, ...]]:
    """The same of a user's rows."""
    return [
        (
            row["rank"],
            row["paper_id"],
            row["score"],
            tuple(
                (
                    reason["type"],
                    reason["subject"],
                    reason["paper_id"],
                    None if reason["similarity"] is None else np.float32(reason["similarity"]),
                )
                for reason in row["reasons"]
            ),
            row["model_version"],
            row["fallback_reason"],
        )
        for row in found.get(user_id, [])
    ]


@pytest.fixture(scope="module")
def feeds(server: Service, world: World) -> dict[str, list[tuple[Any, ...]]]:
    """GetFeed of every reader."""
    stub = server.client.feeds
    request = GetFeedRequest(digest_id=DIGEST, page_size=PAGE, explain=True, as_of=at(NOW))
    found = {}
    for user_id in world.user_ids:
        request.user_id = user_id
        found[user_id] = said(stub.GetFeed(request))
    return found


@pytest.mark.slow
@pytest.mark.cluster
class TestThousandReaders:
    """With and without likes, dislikes, preferences, times and vectors."""

    def test_stream_feeds_agrees(self, server: Service, feeds: dict[str, Any]) -> None:
        """StreamFeeds gives what GetFeed gives."""
        request = StreamFeedsRequest(all_users=True, digest_id=DIGEST, page_size=PAGE, explain=True, as_of=at(NOW))

        assert {answer.user_id: said(answer.feed) for answer in server.client.feeds.StreamFeeds(request)} == feeds

    def test_one_worker_agrees(self, world: World, feeds: dict[str, Any], ask: Asking) -> None:
        """Batch on one worker gives what GetFeed gives."""
        with open_cluster(workers=1) as one:
            ask.run(ask.request(world, page_size=PAGE, partition_bytes=MANY_USERS_BYTES), one)

        found = slates(ask.out)
        assert {user_id: written(found, user_id) for user_id in world.user_ids} == feeds
        assert any(row["reasons"] for rows in found.values() for row in rows)
        assert {row["fallback_reason"] for rows in found.values() for row in rows} == {"none", "new_user"}

    def test_two_workers_agree(self, world: World, feeds: dict[str, Any], ask: Asking, cluster: Cluster) -> None:
        """Batch on two workers gives what GetFeed gives."""
        ask.run(ask.request(world, page_size=PAGE, partition_bytes=MANY_USERS_BYTES), cluster)

        found = slates(ask.out)
        assert list(found) == [user_id for user_id in world.user_ids if feeds[user_id]]
        assert {user_id: written(found, user_id) for user_id in world.user_ids} == feeds


@pytest.mark.cluster
def test_unknown_user_agrees(world: World, server: Service, ask: Asking, cluster: Cluster) -> None:
    """Somebody of whom nothing is known gets what GetFeed gives a new user."""
    answer = server.client.feeds.GetFeed(
        GetFeedRequest(user_id="nobody", digest_id=DIGEST, page_size=PAGE, explain=True, as_of=at(NOW))
    )

    ask.run(ask.request(world, users=Population(("nobody",)), page_size=PAGE), cluster)

    assert written(slates(ask.out), "nobody") == said(answer)
