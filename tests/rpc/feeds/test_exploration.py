"""Feeds of a server that explores every slate."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paperfeed.v1.feed_pb2 import (
    REASON_TYPE_EXPLORATION,
    GetFeedRequest,
    GetSlateRequest,
    RankPapersRequest,
    StreamFeedsRequest,
)
from ranker.explore import place_chances, read_exploration
from service.domain.feeds import Slate
from testing.calls import MONDAY, at, ids, make_digest, make_papers, record, upsert_ready
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, kinds, shown


@pytest.fixture
def exploring(start: Callable[..., Service], tiny_bundle: Path) -> Service:
    """A server that swaps a pair in every slate, with a digest of 40 papers and a reader of one topic."""
    service = start(bundle=str(tiny_bundle), exploration=1.0)
    liked = upsert_ready(service.client, make_papers(4))
    record(service.client, "ada", "like", *liked, when=MONDAY)
    make_digest(
        service.client, upsert_ready(service.client, [*make_papers(20), *make_papers(20, "audio")]), digest_id="d"
    )
    return service


def stored(service: Service, slate_id: str) -> Slate:
    with service.application.store.read() as tx:
        slate = tx.slates.find(slate_id, with_features=True)
    assert slate is not None
    return slate


def times(count: int) -> list[dt.datetime]:
    return [MONDAY + dt.timedelta(hours=hour) for hour in range(count)]


def test_one_paper_is_shown_to_learn(exploring: Service) -> None:
    """Exactly one of the first ten papers says EXPLORATION, and the slate keeps how likely each place was."""
    feed = get_feed(exploring.client, "ada", "d", explain=True, as_of=at(MONDAY))
    slate = stored(exploring, feed.slate_id)
    propensities = np.array([item.action_propensity for item in slate.items])
    logged = read_exploration(propensities)
    assert logged is not None

    explored = [item.rank for item in feed.items if REASON_TYPE_EXPLORATION in kinds(item)]
    assert explored == [int(np.flatnonzero(logged.places_before != np.arange(40))[0]) + 1]
    assert explored[0] <= 10
    chances = place_chances(40, 1.0)
    assert np.array_equal(propensities, chances[logged.places_before, np.arange(40)])
    serving = exploring.application.serving.current.bundle
    assert serving is not None
    assert slate.features_version == serving.features_version


def test_the_same_request_explores_alike(exploring: Service) -> None:
    """GetFeed again, its pages, GetSlate and StreamFeeds agree; another time draws anew."""
    client = exploring.client
    feed = get_feed(client, "ada", "d", explain=True, as_of=at(MONDAY))
    request = GetFeedRequest(user_id="ada", digest_id="d", explain=True, as_of=at(MONDAY), page_size=7)
    (streamed,) = client.feeds.StreamFeeds(
        StreamFeedsRequest(user_ids=["ada"], digest_id="d", explain=True, as_of=at(MONDAY), page_size=100)
    )

    assert list(client.feed_items(request)) == list(feed.items)
    assert list(client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).items) == list(feed.items)
    assert list(streamed.feed.items) == list(feed.items)
    assert len({tuple(shown(get_feed(client, "ada", "d", as_of=at(time)))) for time in times(8)}) > 4


def test_what_must_not_be_shown_is_not_explored(exploring: Service) -> None:
    """Papers that were sent, dismissed or excluded by the call come up in no slate, whatever is drawn."""
    client = exploring.client
    first = shown(get_feed(client, "ada", "d", as_of=at(MONDAY)))
    record(client, "ada", "sent", *first[:5])
    record(client, "ada", "dismiss", *first[20:25])
    excluded = first[30:35]

    for time in times(10):
        found = shown(get_feed(client, "ada", "d", as_of=at(time), exclude_paper_ids=excluded))
        assert sorted(found) == sorted({*first} - {*first[:5], *first[20:25], *excluded})


def test_ranked_papers_and_strangers_are_not_explored(exploring: Service) -> None:
    """RankPapers goes by score at any time, and a new user's trending papers keep their order."""
    client = exploring.client
    candidates = shown(get_feed(client, "ada", "d"))
    for time in times(5):
        request = RankPapersRequest(user_id="ada", candidate_paper_ids=candidates, as_of=at(time), explain=True)
        ranked = client.feeds.RankPapers(request)
        scores = [item.score for item in ranked.items]
        assert scores == sorted(scores, reverse=True)
        assert all(REASON_TYPE_EXPLORATION not in {reason.type for reason in item.reasons} for item in ranked.items)
    strangers: set[Any] = {tuple(shown(get_feed(client, "nobody", "d", as_of=at(time)))) for time in times(5)}
    assert len(strangers) == 1


def test_windows_are_explored_too(exploring: Service) -> None:
    """A feed of a window of time draws for the window it was asked for, and again the same."""
    client = exploring.client
    window = {"start_at": at(MONDAY - dt.timedelta(days=400))}
    once, again = (get_feed(client, "ada", window=window, as_of=at(MONDAY), explain=True) for _ in range(2))

    assert ids([item.paper for item in once.items]) == ids([item.paper for item in again.items])
    assert sum(REASON_TYPE_EXPLORATION in kinds(item) for item in once.items) == 1
