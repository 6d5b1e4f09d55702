"""Statistics of the catalog: counted, named in every answer, chosen by as_of, and switched between calls."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import (
    GetFeedRequest,
    GetFeedResponse,
    GetSlateRequest,
    StreamFeedsRequest,
)
from paperfeed.v1.profile_pb2 import ExportUserRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from ranker.spaces.statistics import count_corpus, count_terms
from testing.calls import at, make_digest, make_papers, rank_request, record, upsert_ready, wait_until
from testing.servers import Service, serving
from testing.statistics import put_statistics
from tests.databases import ENGINES, postgres_schema, require_postgres
from tests.rpc.feed_calls import get_feed, shown

HOUR = dt.timedelta(hours=1)
COUNTED_AT = dt.datetime.now(dt.UTC) - 10 * HOUR
USER, DIGEST = "ada", "d"


def fill(client: Client) -> list[str]:
    """Store sixty papers of two topics. Most of them form a digest, and one user likes the rest. Return the digest."""
    one, two = upsert_ready(client, make_papers(30)), upsert_ready(client, make_papers(30, "graphs"))
    record(client, USER, "like", *one[:4], two[0])
    make_digest(client, one[4:] + two[1:], digest_id=DIGEST)
    return one[4:] + two[1:]


each_engine = pytest.mark.parametrize("filled", ENGINES, indirect=True)
"""For tests whose outcome depends on the database. The others are on SQLite."""


@pytest.fixture
def filled(request: pytest.FixtureRequest, tiny_bundle: Path) -> Iterator[Service]:
    """A server of the test's own, which does not count by itself, with papers, a digest and a user."""
    if getattr(request, "param", "sqlite") == "sqlite":
        service: Service = request.getfixturevalue("own")
        fill(service.client)
        yield service
        return
    require_postgres()
    with postgres_schema() as url, serving(url, bundle=str(tiny_bundle)) as service:
        fill(service.client)
        yield service


def count(service: Service, counted_at: dt.datetime = COUNTED_AT, data: bytes | None = None) -> int:
    """Store statistics and let the server notice them; return the version."""
    version = put_statistics(service.application.store, counted_at, data=data)
    service.application.serving.catch_up()
    return version


def features(service: Service, feed: GetFeedResponse) -> np.ndarray:
    """Return the features of all items by paper id, as they were stored."""
    with service.application.store.read() as tx:
        slate = tx.slates.find(feed.slate_id, with_features=True)
    assert slate is not None
    order = np.argsort([item.paper_id for item in slate.items])
    return np.asarray(np.frombuffer(slate.features, "<f4").reshape(len(slate.items), -1)[order])


def test_counted_by_the_server(start: Callable[..., Service], tiny_bundle: Path) -> None:
    """A server counts its catalog once the texts are embedded, ranks with the result, and its status says so."""
    service = start(bundle=str(tiny_bundle), counts=True)
    client = service.client
    before = client.status.GetStatus(GetStatusRequest())
    paper_ids = fill(client)

    def status_version() -> int:
        return int(client.status.GetStatus(GetStatusRequest()).statistics_version)

    wait_until(lambda: status_version() > 0)

    status = client.status.GetStatus(GetStatusRequest())
    assert (before.statistics_version, before.HasField("statistics_counted_at")) == (0, False)
    assert status.statistics_paper_count in range(50, 61)
    assert abs(status.statistics_counted_at.ToDatetime(dt.UTC) - dt.datetime.now(dt.UTC)) < HOUR
    feed = get_feed(client, USER, DIGEST)
    assert feed.statistics_version == status_version()
    assert set(shown(feed)) == set(paper_ids)


@each_engine
def test_every_answer_names_them(filled: Service) -> None:
    """Feeds, slates, streams, rankings and exports name the statistics; those that no model scored say 0."""
    client = filled.client
    version = count(filled)

    feed, stranger = get_feed(client, USER, DIGEST), get_feed(client, "a-stranger", DIGEST)
    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).slate
    (streamed,) = client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=[USER], digest_ids=[DIGEST]))
    ranked = client.feeds.RankPapers(rank_request(user_id=USER, candidate_papers=make_papers(2)))
    exported = [
        each.slate for each in client.profiles.ExportUser(ExportUserRequest(user_id=USER)) if each.slate.slate_id
    ]

    assert version > 0
    assert [feed.statistics_version, slate.statistics_version] == [version] * 2
    assert [streamed.slate.statistics_version, ranked.statistics_version] == [version] * 2
    assert [each.statistics_version for each in exported] == [version] * 2
    assert stranger.statistics_version == 0


def test_empty_database(own: Service) -> None:
    """On an empty database RankPapers uses the bundle's own statistics alone."""
    liked, *candidates = make_papers(4)

    ranked = own.client.feeds.RankPapers(rank_request(liked_papers=[liked], candidate_papers=candidates))

    assert ranked.statistics_version == 0
    assert len(ranked.items) == 3


@each_engine
def test_as_of_chooses_the_statistics_of_then(filled: Service) -> None:
    """A feed as of a time uses the newest version counted by then; before the first one, the bundle's own."""
    client = filled.client
    first = count(filled)
    upsert_ready(client, make_papers(40, "audio"))
    second = count(filled, COUNTED_AT + 4 * HOUR)

    def version_at(moment: dt.datetime) -> int:
        feed = get_feed(client, USER, DIGEST, as_of=at(moment))
        request = rank_request(user_id=USER, candidate_papers=make_papers(2), as_of=at(moment))
        assert client.feeds.RankPapers(request).statistics_version == feed.statistics_version
        return int(feed.statistics_version)

    hours = (-HOUR, 0 * HOUR, 3 * HOUR, 4 * HOUR, 10 * HOUR)
    assert [version_at(COUNTED_AT + each) for each in hours] == [0, first, first, second, second]
    assert get_feed(client, USER, DIGEST).statistics_version == second


@each_engine
def test_equal_as_of_gives_equal_feeds(filled: Service) -> None:
    """A feed as of a time stays the same when the catalog is counted later."""
    as_of = at(COUNTED_AT + HOUR)
    count(filled)
    before = get_feed(filled.client, USER, DIGEST, as_of=as_of, explain=True)
    upsert_ready(filled.client, make_papers(200, "audio"))
    count(filled, COUNTED_AT + 4 * HOUR)

    after = get_feed(filled.client, USER, DIGEST, as_of=as_of, explain=True)

    assert list(after.items) == list(before.items)
    assert features(filled, after).tobytes() == features(filled, before).tobytes()


def test_statistics_change_the_features(filled: Service) -> None:
    """A millisecond before the catalog was counted, features differ from those just after it."""
    count(filled)

    before = get_feed(filled.client, USER, DIGEST, as_of=at(COUNTED_AT - dt.timedelta(milliseconds=1)))
    after = get_feed(filled.client, USER, DIGEST, as_of=at(COUNTED_AT))

    assert not np.allclose(features(filled, before), features(filled, after), atol=1e-3, equal_nan=True)


def test_many_past_versions(filled: Service) -> None:
    """However many past versions are asked for in turn, each answer has its own, and the newest is kept."""
    versions = [count(filled, COUNTED_AT + number * HOUR) for number in range(6)]

    for _ in range(2):
        for number, version in enumerate(versions):
            feed = get_feed(filled.client, USER, DIGEST, as_of=at(COUNTED_AT + number * HOUR))
            assert feed.statistics_version == version
        assert get_feed(filled.client, USER, DIGEST).statistics_version == versions[-1]


@pytest.mark.parametrize("kind", ["bytes", "cut", "length"])
def test_unreadable_statistics_are_passed_over(
    filled: Service, tiny_bundle: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Damaged statistics, or some of another vector length, are logged once; the version before serves on."""
    good = count(filled)
    with filled.application.store.read() as tx:
        data = tx.statistics.data(good) or b""
    bad = {
        "bytes": data[:2000] + bytes(byte ^ 255 for byte in data[2000:]),
        "cut": data[: len(data) // 2],
        "length": count_corpus(count_terms(["a text of other vectors"] * 9), np.eye(9, 8, dtype=np.float32)).to_bytes(),
    }[kind]

    count(filled, COUNTED_AT + HOUR, bad)
    filled.application.serving.catch_up()

    feed = get_feed(filled.client, USER, DIGEST)
    as_of = get_feed(filled.client, USER, DIGEST, as_of=at(COUNTED_AT + 2 * HOUR))
    logged = [record for record in caplog.records if "cannot be used" in record.getMessage()]
    with serving(filled.url, bundle=str(tiny_bundle)) as other:
        restarted = get_feed(other.client, USER, DIGEST)
    assert [each.statistics_version for each in (feed, as_of, restarted)] == [good] * 3
    assert len(logged) == 1
    later = count(filled, COUNTED_AT + 3 * HOUR)
    assert get_feed(filled.client, USER, DIGEST).statistics_version == later


def test_pages_of_one_slate_across_a_switch(filled: Service) -> None:
    """A later page belongs to its slate, also if the statistics have changed in between."""
    first_version = count(filled)
    request = GetFeedRequest(user_id=USER, digest_id=DIGEST, page_size=20, explain=True)
    answer = filled.client.feeds.GetFeed(request)
    first = answer.slate
    upsert_ready(filled.client, make_papers(60, "audio"))
    count(filled, COUNTED_AT + HOUR)
    request.page_token = answer.next_page_token

    second = filled.client.feeds.GetFeed(request).slate

    slate = filled.client.feeds.GetSlate(GetSlateRequest(slate_id=first.slate_id, page_size=100)).slate
    assert [first.statistics_version, second.statistics_version] == [first_version] * 2
    assert [*first.items, *second.items] == list(slate.items[:40])


@each_engine
def test_switch_with_calls_in_flight(filled: Service) -> None:
    """While versions change, no call fails, and pages of a slate agree. Each slate is ranked with one version."""
    stop, failures, seen = threading.Event(), list[str](), set[int]()

    def ask() -> None:
        with Client(filled.target) as client:
            while not stop.is_set():
                request = GetFeedRequest(user_id=USER, digest_id=DIGEST, page_size=15)
                try:
                    answer = client.feeds.GetFeed(request)
                    first, request.page_token = answer.slate, answer.next_page_token
                    second = client.feeds.GetFeed(request).slate
                    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=first.slate_id, page_size=100)).slate
                except grpc.RpcError as error:
                    failures.append(f"{error.code()}: {error.details()}")
                    return
                pages = [item.paper.paper_id for item in (*first.items, *second.items)]
                if pages != [item.paper.paper_id for item in slate.items][:30]:
                    failures.append("pages differ")
                if not first.statistics_version == second.statistics_version == slate.statistics_version:
                    failures.append("versions differ")
                seen.add(first.statistics_version)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    versions = [0]
    for number in range(4):
        wait_until(lambda: bool(failures) or versions[-1] in seen)
        versions.append(count(filled, COUNTED_AT + number * HOUR))
    wait_until(lambda: bool(failures) or versions[-1] in seen)
    stop.set()
    for thread in threads:
        thread.join()

    assert failures == []
    assert seen >= set(versions)
