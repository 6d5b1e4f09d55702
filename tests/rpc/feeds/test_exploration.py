"""Feeds of a server that explores every slate."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import (
    REASON_TYPE_EXPLORATION,
    ExplainPaperRequest,
    GetFeedRequest,
    GetSlateRequest,
    StreamFeedsRequest,
)
from ranker.explore import place_chances, read_exploration
from service.domain.feeds import Slate
from testing.calls import MONDAY, at, ids, make_digest, make_papers, rank_request, record, upsert_ready
from testing.servers import Service, copied, serving
from tests.rpc.feed_calls import get_feed, kinds, shown


@pytest.fixture(scope="module")
def exploring(
    empty_database: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, list[str]]]:
    """A server that explores every slate, with a digest of 40 papers, and papers of one topic to like."""
    url = copied(empty_database, tmp_path_factory.mktemp("exploring"))
    with serving(url, bundle=str(tiny_bundle), exploration=1.0) as service:
        client = service.client
        liked = upsert_ready(client, make_papers(4))
        make_digest(client, upsert_ready(client, [*make_papers(20), *make_papers(20, "audio")]), digest_id="d")
        yield service, liked


@pytest.fixture
def service(exploring: tuple[Service, list[str]]) -> Service:
    return exploring[0]


@pytest.fixture
def user(request: pytest.FixtureRequest, exploring: tuple[Service, list[str]]) -> str:
    """A new user with likes of one topic. The user is named after the test, so exploration is deterministic."""
    service, liked = exploring
    name: str = request.node.name
    record(service.client, name, "like", *liked, when=MONDAY)
    return name


def stored(service: Service, slate_id: str) -> Slate:
    with service.application.store.read() as tx:
        slate = tx.slates.find(slate_id, with_features=True)
    assert slate is not None
    return slate


def times(count: int) -> list[dt.datetime]:
    return [MONDAY + dt.timedelta(hours=hour) for hour in range(count)]


def test_one_paper_is_explored(service: Service, client: Client, user: str) -> None:
    """Exactly one of the first ten papers has EXPLORATION as its only reason; the slate stores all propensities."""
    feed = get_feed(client, user, "d", explain=True, as_of=at(MONDAY))
    slate = stored(service, feed.slate_id)
    propensities = np.array([item.action_propensity for item in slate.items])
    logged = read_exploration(propensities)
    assert logged is not None

    explored = [item.rank for item in feed.items if REASON_TYPE_EXPLORATION in kinds(item)]
    assert [kinds(feed.items[rank - 1]) for rank in explored] == [[REASON_TYPE_EXPLORATION]]
    assert explored == [int(np.flatnonzero(logged.places_before != np.arange(40))[0]) + 1]
    assert explored[0] <= 10
    chances = place_chances(40, 1.0)
    assert np.array_equal(propensities, chances[logged.places_before, np.arange(40)])
    serving = service.application.serving.current.bundle
    assert serving is not None
    assert slate.features_version == serving.features_version


def test_the_same_request_explores_alike(client: Client, user: str) -> None:
    """Equal requests of GetFeed, its pages, GetSlate and StreamFeeds explore alike; another as_of explores anew."""
    feed = get_feed(client, user, "d", explain=True, as_of=at(MONDAY))
    request = GetFeedRequest(user_id=user, digest_id="d", explain=True, as_of=at(MONDAY), page_size=7)
    (streamed,) = client.feeds.StreamFeeds(
        StreamFeedsRequest(user_ids=[user], digest_ids=["d"], explain=True, as_of=at(MONDAY), limit=100)
    )

    assert list(client.feed_items(request)) == list(feed.items)
    assert list(client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id, page_size=100)).slate.items) == list(
        feed.items
    )
    assert list(streamed.slate.items) == list(feed.items)
    assert len({tuple(shown(get_feed(client, user, "d", as_of=at(time)))) for time in times(8)}) > 4


def test_hidden_papers_are_not_explored(client: Client, user: str) -> None:
    """Papers that were sent, dismissed or excluded by the request are in no explored slate."""
    first = shown(get_feed(client, user, "d", as_of=at(MONDAY)))
    record(client, user, "sent", *first[:5])
    record(client, user, "dismiss", *first[20:25])
    excluded = first[30:35]

    for time in times(10):
        found = shown(get_feed(client, user, "d", as_of=at(time), exclude_paper_ids=excluded))
        assert sorted(found) == sorted({*first} - {*first[:5], *first[20:25], *excluded})


def test_ranked_papers_and_new_users_are_not_explored(client: Client, user: str) -> None:
    """RankPapers ranks by score at any as_of, and the trending papers of new users keep their order."""
    candidates = shown(get_feed(client, user, "d"))
    for time in times(5):
        request = rank_request(user_id=user, candidate_paper_ids=candidates, as_of=at(time), explain=True)
        ranked = client.feeds.RankPapers(request)
        scores = [item.score for item in ranked.items]
        assert scores == sorted(scores, reverse=True)
        assert all(REASON_TYPE_EXPLORATION not in {reason.type for reason in item.reasons} for item in ranked.items)
    unknown: set[Any] = {tuple(shown(get_feed(client, "unknown", "d", as_of=at(time)))) for time in times(5)}
    assert len(unknown) == 1


def test_windows_are_explored_too(client: Client, user: str) -> None:
    """A feed of a time window is explored, and equal requests explore alike."""
    window = {"start_at": at(MONDAY - dt.timedelta(days=400))}
    once, again = (get_feed(client, user, window=window, as_of=at(MONDAY), explain=True) for _ in range(2))

    assert ids([item.paper for item in once.items]) == ids([item.paper for item in again.items])
    assert sum(REASON_TYPE_EXPLORATION in kinds(item) for item in once.items) == 1


def test_explanations_name_the_swap(client: Client, user: str) -> None:
    """The explanation of a slate gives the rank before exploration; a new ranking is not explored."""
    feed = get_feed(client, user, "d", explain=True, as_of=at(MONDAY))
    (explored,) = [item for item in feed.items if kinds(item) == [REASON_TYPE_EXPLORATION]]

    def explain(paper: str, **fields: Any) -> tuple[int, int]:
        request = ExplainPaperRequest(user_id=user, paper_id=paper, **fields)
        found = client.feeds.ExplainPaper(request)
        return found.rank, found.rank_before_exploration

    ranks = dict(explain(each.paper.paper_id, slate_id=feed.slate_id) for each in feed.items)

    assert sorted(ranks.values()) == list(ranks) == list(range(1, 41))
    moved = [rank for rank, before in ranks.items() if rank != before]
    assert len(moved) == 2
    assert explored.rank == moved[0]
    assert [ranks[rank] for rank in moved] == moved[::-1]
    before, unexplored = explain(explored.paper.paper_id, digest_id="d")
    assert before == unexplored == moved[1]
