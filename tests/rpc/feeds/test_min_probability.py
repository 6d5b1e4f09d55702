"""Feeds that end where the probability of a like falls below a limit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_EMPTY_DIGEST,
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    PAPER_OUTCOME_BELOW_PROBABILITY,
    PAPER_OUTCOME_NOT_RECORDED,
    PAPER_OUTCOME_SHOWN,
    ExplainPaperRequest,
    ExplainPaperResponse,
    GetFeedRequest,
    GetSlateRequest,
    Slate,
    StreamFeedsRequest,
)
from ranker.bundle.bundle import load_bundle
from ranker.bundle.calibration import Calibration
from service.encoder import HashingEncoder
from testing.bundles import write_tiny_bundle
from testing.calls import MONDAY, at, failing, fresh, make_digest, make_papers, record, upsert_ready
from testing.servers import Service, copied, serving
from tests.rpc.feed_calls import get_feed, shown

LIMIT = 0.4
CALIBRATION = Calibration((-3.0, 3.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def shared(
    empty_database: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, list[str]]]:
    """A server with a calibrated bundle and a digest of two topics, and papers of one topic to like."""
    folder = tmp_path_factory.mktemp("calibrated")
    write_tiny_bundle(
        folder / "bundle",
        encoder_name=HashingEncoder.name,
        model_text=load_bundle(tiny_bundle, encoder=None).model.text,
        calibration=CALIBRATION,
    )
    with serving(copied(empty_database, folder), bundle=str(folder / "bundle")) as service:
        liked = upsert_ready(service.client, make_papers(4))
        papers = [*make_papers(15), *make_papers(15, "audio")]
        make_digest(service.client, upsert_ready(service.client, papers), digest_id="d")
        yield service, liked


@pytest.fixture
def service(shared: tuple[Service, list[str]]) -> Service:
    return shared[0]


@pytest.fixture
def user(shared: tuple[Service, list[str]]) -> str:
    """Id of a user whose likes all belong to one topic."""
    service, liked = shared
    name = fresh("user")
    record(service.client, name, "like", *liked, when=MONDAY)
    return name


def feed_of(client: Client, user: str, **fields: float) -> Slate:
    return get_feed(client, user, "d", as_of=at(MONDAY), diversity=0, **fields)


def test_probability_of_each_paper(client: Client, user: str) -> None:
    """Each paper has the probability that the bundle's calibration gives its score; GetSlate returns the same."""
    feed = feed_of(client, user)
    again = client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id, page_size=100)).slate

    assert len(feed.items) == 30
    for item in feed.items:
        assert item.probability == pytest.approx(min(max((item.score + 3) / 6, 0), 1), abs=1e-5)
    assert [item.probability for item in again.items] == [item.probability for item in feed.items]
    assert all(item.HasField("probability") for item in again.items)


def test_papers_below_the_limit_are_left_out(client: Client, user: str) -> None:
    """The feed is the beginning of the whole feed, up to the last paper that reaches the limit."""
    whole, cut = feed_of(client, user), feed_of(client, user, min_probability=LIMIT)
    expected = [item.paper.paper_id for item in whole.items if item.probability >= LIMIT]

    assert shown(cut) == expected
    assert 0 < len(expected) < 30
    assert cut.total_size == len(expected)
    assert [item.rank for item in cut.items] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("diversity", [0.0, 0.7])
def test_papers_below_the_limit_are_explained(client: Client, user: str, diversity: float) -> None:
    """Each paper of the cut feed has its rank there; each other one is BELOW_PROBABILITY, with its place without it."""
    whole = get_feed(client, user, "d", diversity=diversity)
    # ExplainPaper knows no events that were recorded after as_of, so it must be a time after the likes.
    same = {"as_of": whole.as_of, "diversity": diversity, "min_probability": LIMIT}
    cut = get_feed(client, user, "d", **same)
    ranks = {item.paper.paper_id: item.rank for item in cut.items}

    def explain(paper_id: str, **fields: Any) -> ExplainPaperResponse:
        return client.feeds.ExplainPaper(ExplainPaperRequest(user_id=user, paper_id=paper_id, **fields))

    for item in whole.items:
        paper_id = item.paper.paper_id
        found = explain(paper_id, digest_id="d", **same)
        is_shown = paper_id in ranks
        assert found.outcome == (PAPER_OUTCOME_SHOWN if is_shown else PAPER_OUTCOME_BELOW_PROBABILITY)
        assert found.rank == ranks.get(paper_id, item.rank)
        assert found.total_size == (len(ranks) if is_shown else 30)
        assert found.probability == pytest.approx(item.probability)
        assert (found.probability >= LIMIT) == is_shown
    past = explain(whole.items[-1].paper.paper_id, slate_id=cut.slate_id)
    assert past.outcome == PAPER_OUTCOME_NOT_RECORDED
    assert not past.HasField("probability")
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "min_probability"):
        explain(whole.items[0].paper.paper_id, slate_id=cut.slate_id, min_probability=LIMIT)


def test_later_pages_keep_the_limit(client: Client, user: str) -> None:
    """A page token continues the cut slate; with another limit it belongs to another request."""
    request = GetFeedRequest(user_id=user, digest_id="d", page_size=3, min_probability=LIMIT)
    total, found = client.feeds.GetFeed(request).slate.total_size, 0
    while True:
        answer = client.feeds.GetFeed(request)
        found += len(answer.slate.items)
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token

    assert found == total > 3
    request.min_probability = LIMIT / 2
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"):
        client.feeds.GetFeed(request)


def test_nothing_today(client: Client, user: str) -> None:
    """If no paper reaches the limit, the feed is empty and says so."""
    feed = feed_of(client, user, min_probability=1.0)

    assert not feed.items
    assert feed.fallback_reason == FALLBACK_REASON_EMPTY_DIGEST


def test_users_without_likes_see_all_papers(client: Client) -> None:
    """A user without likes has no probabilities, and the limit changes nothing."""
    name = fresh("user")
    feeds = [feed_of(client, name), feed_of(client, name, min_probability=1.0)]

    assert shown(feeds[0]) == shown(feeds[1]) != []
    assert feeds[1].fallback_reason == FALLBACK_REASON_NEW_USER
    assert not any(item.HasField("probability") for item in feeds[1].items)


def test_streams_are_cut_like_feeds(client: Client, user: str) -> None:
    """StreamFeeds gives the same papers and probabilities as GetFeed."""
    one = get_feed(client, user, "d", as_of=at(MONDAY), min_probability=LIMIT)
    request = StreamFeedsRequest(user_ids=[user], digest_ids=["d"], limit=100, as_of=at(MONDAY), min_probability=LIMIT)
    (answer,) = client.feeds.StreamFeeds(request)

    assert answer.slate.fallback_reason == FALLBACK_REASON_NONE
    assert shown(answer.slate) == shown(one)
    assert [item.probability for item in answer.slate.items] == [item.probability for item in one.items]


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_limits_outside_0_to_1_are_refused(client: Client, user: str, limit: float) -> None:
    """A limit that is no probability is INVALID_ARGUMENT and names the field."""
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "min_probability"):
        feed_of(client, user, min_probability=limit)


def test_without_calibration_the_limit_is_refused(own: Service) -> None:
    """A bundle without calibration ranks, gives no probability, and refuses the limit with its version."""
    liked = upsert_ready(own.client, make_papers(3))
    make_digest(own.client, upsert_ready(own.client, make_papers(5)), digest_id="d")
    record(own.client, "u", "like", *liked, when=MONDAY)
    plain = feed_of(own.client, "u")

    assert plain.fallback_reason == FALLBACK_REASON_NONE
    assert not any(item.HasField("probability") for item in plain.items)
    with failing(grpc.StatusCode.FAILED_PRECONDITION, "NOT_CALIBRATED") as refused:
        feed_of(own.client, "u", min_probability=0.1)
    with failing(grpc.StatusCode.FAILED_PRECONDITION, "NOT_CALIBRATED"):
        own.client.feeds.ExplainPaper(ExplainPaperRequest(user_id="u", paper_id=liked[0], min_probability=0.1))
    assert refused.details is not None
    assert plain.model_version in refused.details.message
    with failing(grpc.StatusCode.FAILED_PRECONDITION, "NOT_CALIBRATED"):
        list(own.client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=["u"], digest_ids=["d"], min_probability=0.1)))


def test_without_a_bundle_the_limit_is_refused(start: Callable[..., Service], foreign_bundle: Path) -> None:
    """If no bundle is usable, the answer to a request with a limit says why."""
    bare = start(bundle=str(foreign_bundle))
    make_digest(bare.client, upsert_ready(bare.client, make_papers(2)), digest_id="d")

    with failing(grpc.StatusCode.FAILED_PRECONDITION, "NOT_CALIBRATED") as refused:
        feed_of(bare.client, "u", min_probability=0.1)
    assert refused.details is not None
    assert "other-384" in refused.details.message
