"""Overload: more calls than the server can take."""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import Code
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from paperfeed.client import error_details
from paperfeed.v1.catalog_pb2 import GetPaperRequest, ListPapersRequest, Paper, UpsertPapersRequest
from paperfeed.v1.catalog_pb2_grpc import CatalogServiceStub
from paperfeed.v1.feed_pb2 import GetFeedRequest, GetSlateRequest, TimeWindow
from paperfeed.v1.profile_pb2 import EVENT_TYPE_LIKE, Event, RecordEventsRequest
from paperfeed.v1.status_pb2 import GetStatusRequest, GetStatusResponse
from service.api.queues import RETRY_SECONDS
from service.api.server import MAX_MESSAGE_BYTES
from service.app.ranking.candidate_sets import WIDE_WINDOW_PAPERS
from testing.calls import at, calls_at_work, make_digest, make_papers, record, upsert, upsert_ready, wait_until
from testing.servers import Service

THREADS, WAITING, CALLS = 2, 3, 16
# Number of bulk calls, such as UpsertPapers, that run at a time.
AT_ONCE = THREADS
SHED = grpc.StatusCode.RESOURCE_EXHAUSTED


def upserts(service: Service, count: int = CALLS) -> list[grpc.Future]:
    """Start calls that write."""
    return [
        service.client.catalog.UpsertPapers.future(UpsertPapersRequest(papers=make_papers(1)), timeout=30)
        for _ in range(count)
    ]


def like(service: Service, paper_id: str, event_id: str, timeout: float = 30) -> grpc.Future:
    """Start a short call that writes."""
    event = Event(event_id=event_id, user_id="u", paper_id=paper_id, event_type=EVENT_TYPE_LIKE)
    return service.client.profiles.RecordEvents.future(RecordEventsRequest(events=[event]), timeout=timeout)


def done_count(calls: list[grpc.Future]) -> int:
    return sum(call.done() for call in calls)


def status_of(service: Service) -> GetStatusResponse:
    return service.client.status.GetStatus(GetStatusRequest(), timeout=10)


def test_too_many_calls_are_shed_at_once_and_the_rest_succeed(start: Callable[..., Service]) -> None:
    """Calls beyond the threads and the queue get RESOURCE_EXHAUSTED without waiting; the others succeed."""
    service = start(threads=THREADS, max_waiting_calls=WAITING)
    with service.application.store.write():  # blocks all writes
        calls = upserts(service)
        wait_until(lambda: done_count(calls) == CALLS - AT_ONCE - WAITING)
        early = Counter(call.code() for call in calls if call.done())

    codes = Counter(call.code() for call in calls)

    assert early == {SHED: CALLS - AT_ONCE - WAITING}
    assert codes == {**early, grpc.StatusCode.OK: AT_ONCE + WAITING}
    assert status_of(service).paper_count == AT_ONCE + WAITING


def test_a_shed_call_says_when_to_retry(start: Callable[..., Service]) -> None:
    """A refused call gets ErrorInfo, RetryInfo for programs, and the pushback that channels wait for."""
    service = start(threads=THREADS, max_waiting_calls=0)
    with service.application.store.write():
        calls = upserts(service)
        wait_until(lambda: done_count(calls) == CALLS - AT_ONCE)
        said = [error_details(call.exception()) for call in calls if call.done()]
        counted = [each for each in status_of(service).calls if Code.Name(each.code) == SHED.name]

    assert {each.reason for each in said} == {"OVERLOADED"}
    assert {each.retry_after_seconds for each in said} == set(RETRY_SECONDS)
    assert {dict(call.trailing_metadata())["grpc-retry-pushback-ms"] for call in calls if call.code() is SHED} == {
        str(int(seconds * 1_000)) for seconds in RETRY_SECONDS
    }
    assert [(each.method, each.count) for each in counted] == [("CatalogService/UpsertPapers", CALLS - AT_ONCE)]


def test_a_method_that_does_not_exist_is_not_counted(start: Callable[..., Service]) -> None:
    """An unknown method is UNIMPLEMENTED under overload too, and made-up names do not fill the counters."""
    service = start(threads=THREADS, max_waiting_calls=0)
    (paper_id,) = upsert(service.client, make_papers(1))
    codes = set()
    with service.application.store.write(), grpc.insecure_channel(service.target) as channel:
        busy = [like(service, paper_id, f"e{number}") for number in range(THREADS + 1)]
        wait_until(lambda: done_count(busy) == 1)
        for number in range(20):
            call = channel.unary_unary(f"/paperfeed.v1.{'Nobody' if number % 2 else 'Feed'}Service/Method{number}")
            with pytest.raises(grpc.RpcError) as raised:
                call(b"", timeout=10)
            codes.add(raised.value.code())
        counted = {each.method for each in status_of(service).calls}

    assert codes == {grpc.StatusCode.UNIMPLEMENTED}
    assert counted <= {"CatalogService/UpsertPapers", "ProfileService/RecordEvents"}


def test_a_call_that_would_wait_too_long_is_shed(start: Callable[..., Service]) -> None:
    """With room in the queue, a call is refused if recent calls took long."""
    service = start(threads=1, max_wait_seconds=0.005)
    (paper_id,) = upsert(service.client, make_papers(1))
    with service.application.store.write():
        slow = like(service, paper_id, "slow")
        wait_until(lambda: calls_at_work(service.client) == 1)
        # A fifth of a second counts for a hundredth in the mean duration, which is twice the limit.
        time.sleep(0.2)
    slow.result()
    wait_until(lambda: calls_at_work(service.client) == 0)
    with service.application.store.write():
        at_work = like(service, paper_id, "at-work")
        wait_until(lambda: calls_at_work(service.client) == 1)
        shed = like(service, paper_id, "shed")
        wait_until(shed.done)

    assert at_work.code() is grpc.StatusCode.OK
    assert shed.code() is SHED


def test_wide_windows_are_made_one_at_a_time(start: Callable[..., Service]) -> None:
    """Of two feeds over more than a thousand papers one is refused, so that a thread is left for quick calls."""
    service = start(threads=2)
    papers = make_papers(WIDE_WINDOW_PAPERS + 1)
    names = upsert(service.client, papers[:500]) + upsert(service.client, papers[500:])
    everything, some = at(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)), Timestamp()
    some.GetCurrentTime()

    def feed(start_at: Timestamp) -> grpc.Future:
        request = GetFeedRequest(user_id="u", window=TimeWindow(start_at=start_at))
        return service.client.feeds.GetFeed.future(request, timeout=30)

    with service.application.store.write():  # blocks the writing of slates, so that a wide feed keeps running
        wide = [feed(everything), feed(everything)]
        wait_until(lambda: done_count(wide) == 1)
        quick = service.client.catalog.GetPaper(GetPaperRequest(paper_id=names[0]), timeout=10).paper

    assert quick.paper_id == names[0]
    assert Counter(call.code() for call in wide) == {grpc.StatusCode.OK: 1, SHED: 1}
    assert {feed(everything).code(), feed(some).code()} == {grpc.StatusCode.OK}


def test_a_flood_stops_neither_health_nor_short_calls(start: Callable[..., Service]) -> None:
    """While bulk calls are refused, health, reflection, status and short calls are answered."""
    service = start(threads=THREADS, max_waiting_calls=WAITING)
    with service.application.store.write(), grpc.insecure_channel(service.target) as channel:
        calls = upserts(service)
        wait_until(lambda: done_count(calls) == CALLS - AT_ONCE - WAITING)

        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
        papers = service.client.catalog.ListPapers(ListPapersRequest(), timeout=10).papers
        waiting = calls_at_work(service.client)

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert "paperfeed.v1.FeedService" in services
    assert list(papers) == []
    assert waiting == AT_ONCE + WAITING


def test_a_call_whose_deadline_passed_while_it_waited_is_not_worked(start: Callable[..., Service]) -> None:
    """A call whose deadline passed in the queue is not worked on: its event is not recorded."""
    service = start(threads=1)
    (paper_id,) = upsert(service.client, make_papers(1))
    with service.application.store.write():
        first = like(service, paper_id, "first")
        wait_until(lambda: calls_at_work(service.client) == 1)
        late = like(service, paper_id, "late", timeout=0.2)
        with pytest.raises(grpc.RpcError):
            late.result()
    first.result()
    wait_until(lambda: calls_at_work(service.client) == 0)
    again = service.client.profiles.RecordEvents(
        RecordEventsRequest(events=[Event(event_id="late", user_id="u", paper_id=paper_id, event_type=EVENT_TYPE_LIKE)])
    )

    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert again.duplicate_count == 0


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_above_the_limit_is_refused(service: Service, compression: grpc.Compression) -> None:
    """A request of more than 8 MiB is refused, also if it is compressed to a few kilobytes."""
    request = UpsertPapersRequest(papers=[Paper(title="t", abstract="a" * (MAX_MESSAGE_BYTES + 1))])
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(service.target, options=options, compression=compression) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            CatalogServiceStub(channel).UpsertPapers(request, timeout=30)

        assert raised.value.code() is SHED
        assert "larger than max" in raised.value.details()


@pytest.mark.slow
def test_a_burst_on_one_connection_is_answered_or_refused(service: Service) -> None:
    """Each of two thousand calls at once on one connection ends with OK or RESOURCE_EXHAUSTED."""
    request = GetFeedRequest(user_id="u")
    calls = [service.client.feeds.GetFeed.future(request, timeout=60) for _ in range(2_000)]

    codes = Counter(call.code() for call in calls)

    assert set(codes) <= {grpc.StatusCode.OK, SHED}
    assert codes[grpc.StatusCode.OK] > 0


def test_feeds_that_wait_are_made_together(start: Callable[..., Service], tiny_bundle: Path) -> None:
    """Feeds of one digest that wait are stored together, each for its user; one bad request fails alone."""
    # With one thread, all calls but the first ones wait, also the bad request.
    service = start(bundle=str(tiny_bundle), threads=1, max_wait_seconds=60.0)
    client = service.client
    liked, *others = upsert_ready(client, make_papers(6))
    digest_id = make_digest(client, others)
    users = [f"user-{number}" for number in range(6)]
    for user in users[::2]:
        record(client, user, "like", liked)
    expected = {user: client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest_id)).slate for user in users}
    with service.application.store.write():  # no slate can be stored
        calls = {}
        for user in [*users, ""]:
            calls[user] = client.feeds.GetFeed.future(GetFeedRequest(user_id=user, digest_id=digest_id), timeout=30)
            wait_until(lambda: calls_at_work(client) > 0)
        wait_until(lambda: calls_at_work(client) == len(calls))
    found = {user: call.result().slate for user, call in calls.items() if user}

    assert {user: [item.paper.paper_id for item in feed.items] for user, feed in found.items()} == {
        user: [item.paper.paper_id for item in feed.items] for user, feed in expected.items()
    }
    for user, feed in found.items():
        assert client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).slate.user_id == user
    assert calls[""].code() is grpc.StatusCode.INVALID_ARGUMENT


def test_events_that_wait_are_stored_together(own: Service) -> None:
    """Events of several callers that wait are stored; a call that names an unknown paper fails alone."""
    (paper_id,) = upsert(own.client, make_papers(1))
    with own.application.store.write():
        calls = [like(own, paper_id if number else "nowhere", f"e{number}") for number in range(12)]
        wait_until(lambda: calls_at_work(own.client) == len(calls))
    answers = [call.result() for call in calls[1:]]

    assert [list(answer.event_ids) for answer in answers] == [[f"e{number}"] for number in range(1, 12)]
    assert {(answer.recorded_count, answer.duplicate_count) for answer in answers} == {(1, 0)}
    assert calls[0].code() is grpc.StatusCode.NOT_FOUND
