"""Slow clients, which keep the server waiting for their message or do not take ours."""

import datetime as dt
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from google.rpc.code_pb2 import Code
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, text

from paperfeed.client import error_details
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_FULL, UpsertPapersRequest
from paperfeed.v1.feed_pb2 import GetFeedRequest, StreamFeedsRequest
from paperfeed.v1.feed_pb2_grpc import FeedServiceStub
from paperfeed.v1.profile_pb2 import GetProfileRequest, Preferences, UpdatePreferencesRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.api.calls import MAX_SLOW
from service.app.profiles import Profiles
from service.domain.events import UserState
from service.resources import SystemClock
from testing.calls import (
    MONDAY,
    calls_at_work,
    failing,
    make_digest,
    make_papers,
    record,
    upsert,
    upsert_ready,
    wait_until,
)
from testing.http2 import Http2
from testing.servers import Service

THREADS = 1
# Number of bulk calls that run at a time.
AT_ONCE = THREADS
CANCELLED = grpc.StatusCode.CANCELLED
LONG_USERS = [f"u{i:05d}" for i in range(10_000)]


@contextmanager
def silent_calls(service: Service, path: str, count: int) -> Iterator[list[grpc.Future]]:
    """Calls that send headers but no message."""
    done = threading.Event()

    def nothing() -> Iterator[bytes]:
        done.wait(30)
        yield from ()

    with grpc.insecure_channel(service.target) as channel:
        call = channel.stream_unary(path)
        # grpcio cancels a call without a reference to it.
        calls = [call.future(nothing()) for _ in range(count)]
        try:
            yield calls
        finally:
            done.set()


@contextmanager
def unread_streams(service: Service, count: int) -> Iterator[list[grpc.Call]]:
    """Long streams, each on a connection of its own, of which only the first feed is read."""
    request = StreamFeedsRequest(user_ids=LONG_USERS, limit=100, explain=True, view=PAPER_VIEW_FULL)
    with ExitStack() as stack:
        streams = []
        for _ in range(count):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(service.target, options=options))
            streams.append(FeedServiceStub(channel).StreamFeeds(request, timeout=30))
            stack.callback(streams[-1].cancel)
        for stream in streams:
            next(stream)
        yield streams


def counted(service: Service, method: str) -> dict[str, int]:
    """Return the number of calls of the method by status code."""
    calls = service.client.status.GetStatus(GetStatusRequest(), timeout=10).calls
    return {Code.Name(call.code): call.count for call in calls if call.method == method}


def logged(caplog: pytest.LogCaptureFixture, reason: str) -> list[str]:
    """Return the methods of the log lines of calls that ended for this reason."""
    facts = [getattr(entry, "facts", {}) for entry in caplog.records]
    return [each["method"] for each in facts if each.get("reason") == reason]


def fill(service: Service) -> None:
    """Create a digest whose feed takes more than one packet."""
    make_digest(service.client, upsert_ready(service.client, make_papers(40)))


@pytest.mark.parametrize("count", [THREADS, 8 * THREADS])
def test_silent_callers_keep_no_feed_waiting(start: Callable[..., Service], count: int) -> None:
    """While more calls than threads wait for their messages, all feeds are answered."""
    # If a silent call held a thread, a feed would wait for silence_seconds and miss its deadline.
    service = start(threads=THREADS, max_wait_seconds=5.0, silence_seconds=60.0)
    with silent_calls(service, "/paperfeed.v1.FeedService/GetFeed", count) as silent:
        wait_until(lambda: calls_at_work(service.client) == count)
        answers = [service.client.feeds.GetFeed(GetFeedRequest(user_id="u"), timeout=30).slate for _ in range(20)]

        assert not any(call.done() for call in silent)
    wait_until(lambda: calls_at_work(service.client) == 0)
    after = service.client.feeds.GetFeed(GetFeedRequest(user_id="u"), timeout=30).slate

    assert {answer.slate_id != "" for answer in (*answers, after)} == {True}


def test_silent_callers_do_not_stop_health(start: Callable[..., Service]) -> None:
    """Health and GetStatus are answered while other calls of them wait for their messages."""
    service = start(threads=THREADS)
    with (
        silent_calls(service, "/grpc.health.v1.Health/Check", 50),
        silent_calls(service, "/paperfeed.v1.StatusService/GetStatus", 50),
        grpc.insecure_channel(service.target) as channel,
    ):
        for _ in range(10):
            health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            service.client.status.GetStatus(GetStatusRequest(), timeout=10)

            assert health.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("path", ["/paperfeed.v1.FeedService/GetFeed", "/paperfeed.v1.FeedService/StreamFeeds"])
def test_a_silent_call_is_ended(start: Callable[..., Service], caplog: pytest.LogCaptureFixture, path: str) -> None:
    """A call without a message is cancelled after the time limit, counted, and logged with its method."""
    caplog.set_level(logging.INFO, "paperfeed.calls")
    service = start(silence_seconds=0.2)
    with silent_calls(service, path, 2) as silent:
        wait_until(lambda: all(call.done() for call in silent))

        assert [call.code() for call in silent] == [CANCELLED] * 2
        assert {error_details(call.exception()).reason for call in silent} == {"CLIENT_TOO_SLOW"}
    method = path.removeprefix("/paperfeed.v1.")
    assert counted(service, method) == {"CANCELLED": 2}
    assert logged(caplog, "CLIENT_TOO_SLOW") == [method] * 2


def test_a_flood_of_silent_calls_ends_the_oldest(start: Callable[..., Service]) -> None:
    """More silent calls than may wait end those that have waited longest, and no feed."""
    service = start(threads=THREADS, silence_seconds=60.0)
    with silent_calls(service, "/paperfeed.v1.FeedService/GetFeed", MAX_SLOW + 5) as silent:
        wait_until(lambda: sum(call.done() for call in silent) >= 5)
        service.client.feeds.GetFeed(GetFeedRequest(user_id="u"), timeout=10)

        assert 5 <= sum(call.done() for call in silent) <= 6
        assert {call.code() for call in silent if call.done()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_calls_that_are_reset_at_once_keep_no_feed_waiting(start: Callable[..., Service]) -> None:
    """Feeds are answered between thousands of calls that are taken back at once; none of these stays at work."""
    service = start(threads=THREADS, max_wait_seconds=5.0)
    for _ in range(20):
        with suppress(OSError), Http2(service.target) as connection:  # the server may close such a connection
            for _ in range(200):
                connection.reset(connection.open("/paperfeed.v1.FeedService/GetFeed"))
            connection.send()
            slate = service.client.feeds.GetFeed(GetFeedRequest(user_id="u"), timeout=10).slate

            assert slate.slate_id
    wait_until(lambda: calls_at_work(service.client) == 0)


def test_a_call_without_a_message_is_told_so(start: Callable[..., Service]) -> None:
    """A call that ends its stream without a message gets INVALID_ARGUMENT."""
    service = start()
    with (
        grpc.insecure_channel(service.target) as channel,
        failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "request"),
    ):
        channel.stream_unary("/paperfeed.v1.FeedService/GetFeed")(iter(()), timeout=10)


def test_unread_streams_keep_no_other_call_waiting(start: Callable[..., Service]) -> None:
    """With more unread streams than threads, other bulk calls are answered."""
    service = start(threads=THREADS)
    fill(service)
    with unread_streams(service, AT_ONCE + 2):
        request = UpsertPapersRequest(papers=make_papers(1))
        answers = [service.client.catalog.UpsertPapers(request, timeout=30) for _ in range(3)]

        assert calls_at_work(service.client) == AT_ONCE + 2
    assert all(answer.results for answer in answers)


def test_an_unread_stream_is_ended(start: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    """A stream whose client takes no message is cancelled after the time limit, counted once, and logged."""
    caplog.set_level(logging.INFO, "paperfeed.calls")
    service = start(threads=THREADS, stall_seconds=0.5)
    fill(service)
    with unread_streams(service, 1) as (stream,):
        wait_until(lambda: calls_at_work(service.client) == 0)
        with pytest.raises(grpc.RpcError) as raised:
            list(stream)

        assert raised.value.code() is CANCELLED
    assert counted(service, "FeedService/StreamFeeds") == {"CANCELLED": 1}
    assert logged(caplog, "CLIENT_TOO_SLOW") == ["FeedService/StreamFeeds"]


def test_a_stream_that_its_client_leaves_is_counted(start: Callable[..., Service]) -> None:
    """A stream cancelled by its client is counted as CANCELLED."""
    service = start(threads=THREADS)
    fill(service)
    with unread_streams(service, 1) as (stream,):
        stream.cancel()
        wait_until(lambda: calls_at_work(service.client) == 0)

        assert counted(service, "FeedService/StreamFeeds") == {"CANCELLED": 1}


def test_a_call_that_its_client_leaves_is_counted(start: Callable[..., Service]) -> None:
    """A call cancelled by its client while it runs is counted as CANCELLED, though its work is done."""
    service = start(threads=THREADS, embeds=False)
    request = UpdatePreferencesRequest(user_id="u", preferences=Preferences(followed_authors=["Ada Lovelace"]))
    with closing(sqlite3.connect(service.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        call = service.client.profiles.UpdatePreferences.future(request)
        # The call runs, and waits for the other transaction with the only connection that writes.
        wait_until(lambda: service.application.store._engines.writer.pool.checkedout() == 1)
        call.cancel()
        wait_until(lambda: calls_at_work(service.client) == 0)
        other.execute("ROLLBACK")
    wait_until(lambda: service.application.store._engines.writer.pool.checkedout() == 0)
    profile = service.client.profiles.GetProfile(GetProfileRequest(user_id="u"), timeout=10)

    assert counted(service, "ProfileService/UpdatePreferences") == {"CANCELLED": 1}
    assert profile.profile.preferences.followed_authors == ["Ada Lovelace"]


def test_an_unread_export_holds_no_transaction(start: Callable[..., Service]) -> None:
    """While an export is read slowly, SQLite can move its write-ahead log into the database file."""
    service = start(threads=THREADS)
    (paper_id,) = upsert(service.client, make_papers(1))
    for number in range(3):
        record(service.client, "u", "click", paper_id, when=MONDAY + dt.timedelta(hours=number))
    export = Profiles(service.application.store, SystemClock()).export("u")
    state, _ = next(export), next(export)
    record(service.client, "other", "click", paper_id)
    engine = create_engine(service.url)
    with engine.connect() as connection:
        busy, pages, moved = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    engine.dispose()

    assert (busy, pages, moved) == (0, 0, 0)
    assert Path(service.url.removeprefix("sqlite:///") + "-wal").stat().st_size == 0
    assert isinstance(state, UserState)
    assert len(list(export)) == 2
