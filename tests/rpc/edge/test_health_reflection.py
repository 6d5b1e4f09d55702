"""Health, reflection and GetStatus."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.rpc.code_pb2 import Code
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from paperfeed.v1.catalog_pb2 import GetPaperRequest
from paperfeed.v1.feed_pb2 import FALLBACK_REASON_NEW_USER, FALLBACK_REASON_NONE, GetFeedRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from testing.calls import failing, make_digest, make_papers, record, upsert_ready, wait_until
from testing.servers import Service, lose_database

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
