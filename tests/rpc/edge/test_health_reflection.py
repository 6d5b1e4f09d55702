"""Health, reflection and GetStatus."""

import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.rpc.code_pb2 import Code
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from sqlalchemy import make_url

from paperfeed.v1.catalog_pb2 import GetPaperRequest
from paperfeed.v1.feed_pb2 import FALLBACK_REASON_NEW_USER, FALLBACK_REASON_NONE, GetFeedRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.api.health import MAX_WATCHES
from testing.calls import failing, make_digest, make_papers, record, upsert_ready, wait_until
from testing.servers import Service, lose_database, serving
from tests.databases import postgres_schema, require_postgres
from tests.mailer.proxy import proxy

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
SERVICES = [f"paperfeed.v1.{name}Service" for name in ("Catalog", "Feed", "Model", "Profile", "Status")]


@pytest.fixture
def channel(sqlite_service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(sqlite_service.target) as channel:
        yield channel


@pytest.mark.parametrize("name", ["", *SERVICES])
def test_everything_is_serving(channel: grpc.Channel, name: str) -> None:
    """The server as a whole and each service are SERVING."""
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_unknown_service_has_no_health(channel: grpc.Channel) -> None:
    """The health of an unknown service is NOT_FOUND."""
    with pytest.raises(grpc.RpcError) as raised:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="paperfeed.v1.Nothing"))

    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_watches_of_a_connection_are_limited(channel: grpc.Channel) -> None:
    """One watch too many on a connection is refused; when another has ended, it is admitted."""
    stub = health_pb2_grpc.HealthStub(channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(MAX_WATCHES)]
    states = [next(watch).status for watch in watches]
    with failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"):
        next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=60))
    watches.pop().cancel()

    def is_admitted() -> bool:
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        with contextlib.suppress(grpc.RpcError):
            return bool(next(watch).status)
        return False

    assert set(states) == {health_pb2.HealthCheckResponse.SERVING}
    wait_until(is_admitted)


@pytest.mark.parametrize("path", [WATCH, CHECK, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"])
def test_silent_calls_of_the_standard_services_are_ended(start: Callable[..., Service], path: str) -> None:
    """A call of health or reflection without a message ends after the time limit, as our own calls do."""
    service = start(silence_seconds=0.2)
    is_over = threading.Event()

    def nothing() -> Iterator[bytes]:
        is_over.wait(30)
        yield from ()

    with grpc.insecure_channel(service.target) as channel, failing(grpc.StatusCode.CANCELLED, "CLIENT_TOO_SLOW"):
        list(channel.stream_stream(path)(nothing(), timeout=20))
    is_over.set()


def test_reflection_lists_all_services(channel: grpc.Channel) -> None:
    """Reflection lists our services, health and reflection."""
    found = ProtoReflectionDescriptorDatabase(channel).get_services()

    assert sorted(found) == sorted([*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"])


def test_a_client_made_of_reflection_alone(sqlite_service: Service, channel: grpc.Channel) -> None:
    """Descriptors from the server are sufficient to call GetFeed and to read all fields of the answer."""
    digest = make_digest(sqlite_service.client, upsert_ready(sqlite_service.client, make_papers(2)))
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("paperfeed.v1.FeedService").FindMethodByName("GetFeed")
    request_type, answer_type = (
        message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type)
    )
    assert request_type is not GetFeedRequest
    call = channel.unary_unary(
        "/paperfeed.v1.FeedService/GetFeed",
        request_serializer=request_type.SerializeToString,
        response_deserializer=answer_type.FromString,
    )

    feed = call(request_type(user_id="reflected", digest_id=digest)).slate

    assert list(feed.digest_ids) == [digest]
    assert [item.rank for item in feed.items] == [1, 2]
    assert all(item.paper.title for item in feed.items)


def test_status_counts_what_was_done(own: Service) -> None:
    """GetStatus returns version, model, encoder, papers, calls by code, feeds by fallback reason, and queues."""
    client = own.client
    liked, other = upsert_ready(client, make_papers(2))
    make_digest(client, [other], digest_id="d")
    record(client, "u", "like", liked)
    for user in ("u", "unknown"):
        client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id="d"))
    with failing(grpc.StatusCode.NOT_FOUND):
        client.catalog.GetPaper(GetPaperRequest(paper_id="nowhere"))

    status = client.status.GetStatus(GetStatusRequest())

    assert status.version
    assert status.uptime.ToMilliseconds() > 0
    assert status.model_version.startswith("tiny-")
    assert (status.model_problem, status.encoder, status.paper_count) == ("", "hashing-384", 2)
    calls = {(count.method, Code.Name(count.code)): count.count for count in status.calls}
    assert calls["FeedService/GetFeed", "OK"] == 2
    assert calls["CatalogService/GetPaper", "NOT_FOUND"] == 1
    assert calls["ProfileService/RecordEvents", "OK"] == 1
    counted = [(count.reason, count.count) for count in status.fallbacks]
    assert counted == [(FALLBACK_REASON_NEW_USER, 1), (FALLBACK_REASON_NONE, 1)]
    assert status.storage_problem == ""

    def queues() -> dict[str, int]:
        return {queue.queue: queue.length for queue in client.status.GetStatus(GetStatusRequest()).queues}

    wait_until(lambda: queues() == {"calls": 0, "embedding": 0})


def test_status_without_a_database(own: Service) -> None:
    """Without a database, GetStatus still returns the counters, and says why there is no number of papers."""
    upsert_ready(own.client, make_papers(2))
    lose_database(own)

    status = own.client.status.GetStatus(GetStatusRequest())

    assert {call.method: call.count for call in status.calls}["CatalogService/UpsertPapers"] == 1
    assert status.model_version.startswith("tiny-")
    assert status.storage_problem == "the database is not available: its file is not a database"
    assert (status.paper_count, [queue.queue for queue in status.queues]) == (0, ["calls"])


def test_status_of_a_database_that_hangs(own: Service) -> None:
    """While a write waits for the database, GetStatus answers within two seconds, and says so."""
    papers = upsert_ready(own.client, make_papers(1))
    with contextlib.closing(sqlite3.connect(own.url.removeprefix("sqlite:///"), isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        writing = threading.Thread(target=lambda: record(own.client, "ada", "like", *papers))
        writing.start()
        time.sleep(1.5)
        began = time.monotonic()
        status = own.client.status.GetStatus(GetStatusRequest())
        seconds = time.monotonic() - began
        blocker.execute("ROLLBACK")
    writing.join()

    assert seconds < 2
    assert re.fullmatch(r"the database is not available: a write has been waiting for \d s", status.storage_problem)
    assert status.paper_count == 1
    wait_until(lambda: own.client.status.GetStatus(GetStatusRequest()).storage_problem == "")


@pytest.mark.postgres
def test_status_of_a_database_that_does_not_answer(tiny_bundle: Path) -> None:
    """If the database stops answering, GetStatus answers within two seconds, again and again, and says so."""
    require_postgres()
    silent = threading.Event()
    with postgres_schema() as url, proxy(f"{make_url(url).host}:{make_url(url).port or 5432}") as database:
        host, _, port = database.target.rpartition(":")
        through = make_url(url).set(host=host, port=int(port)).render_as_string(hide_password=False)
        with serving(through, bundle=str(tiny_bundle)) as service:
            database.look = lambda _: not silent.is_set() or threading.Event().wait()
            silent.set()
            for _ in range(2):
                began = time.monotonic()
                status = service.client.status.GetStatus(GetStatusRequest())
                assert time.monotonic() - began < 2
                assert "it has not answered for" in status.storage_problem
            database.close()


@pytest.mark.slow
def test_a_client_that_pings_stays_connected(sqlite_service: Service) -> None:
    """A client that pings every six seconds without calls is not disconnected for too many pings.

    Without the server's options, the fourth ping is one too many.
    """
    options = [
        ("grpc.keepalive_time_ms", 6_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    states: list[grpc.ChannelConnectivity] = []
    with grpc.insecure_channel(sqlite_service.target, options=options) as channel:
        channel.subscribe(states.append)
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        time.sleep(27)

        assert states[-1] is grpc.ChannelConnectivity.READY
        assert states.count(grpc.ChannelConnectivity.READY) == 1
