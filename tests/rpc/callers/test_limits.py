"""Limits of one caller's calls, and of what is stored."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest
from google.rpc.code_pb2 import Code
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from paperfeed.client import Client, error_details
from paperfeed.v1.catalog_pb2 import ListPapersRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.api.callers import limits as module
from service.api.callers.identities import address_of
from service.api.callers.limits import CallerLimits
from service.domain.errors import LimitExceeded
from testing.calls import calls_at_work, failing, fresh, ids, make_papers, record, upsert, wait_until
from testing.http2 import Http2
from testing.servers import Service
from tests.rpc.callers.builders import new_key, opened

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


class Ticks:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(limits: CallerLimits, caller: str) -> float | None:
    """Begin a call; return the seconds after which a refused one should be repeated, or None if it is admitted."""
    try:
        limits.enter(caller)
    except LimitExceeded as error:
        return error.retry_after_seconds
    return None


def listed(client: Client) -> int:
    """Return how many calls of ListPapers were answered."""
    calls = client.status.GetStatus(GetStatusRequest(), timeout=10).calls
    return sum(call.count for call in calls if call.method == "CatalogService/ListPapers" and call.code == Code.OK)


def is_admitted(client: Client) -> bool:
    """Call ListPapers and return whether the call was not refused."""
    with contextlib.suppress(grpc.RpcError):
        client.catalog.ListPapers(ListPapersRequest())
        return True
    return False


def test_a_bucket_of_tokens() -> None:
    """A caller may start as many calls at once as per second; later calls need time to pass. Others do not count."""
    ticks = Ticks()
    limits = CallerLimits(4, 0, ticks)

    first = [refused(limits, "a") for _ in range(7)]
    other = refused(limits, "b")
    ticks.now += 0.5
    later = [refused(limits, "a") for _ in range(3)]
    ticks.now += 3600
    much_later = [refused(limits, "a") for _ in range(5)]

    assert first == [None] * 4 + [0.25, 0.5, 0.75]
    assert other is None
    assert later[:2] == [None, None]
    assert later[2] is not None
    assert much_later[:4] == [None] * 4
    assert much_later[4] is not None


def test_no_retry_is_far_away() -> None:
    """However many calls are refused, and however low the limit, a client is told to retry within five seconds."""
    for rate in (0.001, 1.0, 50.0):
        limits = CallerLimits(rate, 0, Ticks())
        waits = [refused(limits, "a") or 0.0 for _ in range(2_000)]
        assert 0 < max(waits) <= 5


def test_calls_at_the_same_time() -> None:
    """A caller may have so many calls at work, and as many answers that wait; each end makes room for one more."""
    limits = CallerLimits(0, 20, Ticks())

    usages = [limits.enter("a") for _ in range(20)]
    assert refused(limits, "a") is not None
    for usage in usages:
        usage.answered()
        assert [refused(limits, "a") is None for _ in range(2)] == [True, False]
    usages[0].answered()
    assert refused(limits, "a") is not None
    usages[0].leave()
    assert [refused(limits, "a") is None for _ in range(2)] == [True, False]


def test_few_callers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many callers, those without running calls are forgotten, least recent first."""
    monkeypatch.setattr(module, "MAX_CALLERS", 3)
    limits = CallerLimits(0, 1, Ticks())
    limits.enter("busy")
    for number in range(9):
        usage = limits.enter(str(number))
        usage.answered()
        usage.leave()

    assert set(limits._usages) == {"busy", "7", "8"}
    assert refused(limits, "busy") is not None


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:4711", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::/64"),
        ("ipv6:[2001:db8::ffff:0:0:1]:4711", "2001:db8::/64"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:4711", "192.0.2.1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:4711", "fe80::/64"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("unix:", "unix"),
        ("unix:/run/paperfeed.sock", "unix"),
    ],
)
def test_an_address_is_a_caller(peer: str, address: str) -> None:
    """Without identity, limits are counted by address; those of one IPv6 network of 64 bits count as one."""
    assert address_of(peer) == address


def reflected(service: Service, key: str) -> grpc.StatusCode | None:
    """Read the list of services by reflection; return the code of the error, or None."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(service.target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        try:
            list(stub.ServerReflectionInfo(iter([request]), metadata=[("authorization", f"Bearer {key}")]))
        except grpc.RpcError as error:
            return error.code()
    return None


def test_too_many_calls_a_second(start: Callable[..., Service]) -> None:
    """A caller over the limit is told when to retry. Other callers are not affected; GetStatus counts for itself."""
    service = start(auth="keys", caller_calls_per_second=0.001)
    with opened(service.url) as store:
        keys = [new_key(store, "feeds:read") for _ in range(2)]
    clients = [Client(service.target, api_key=key, retries=False) for key in keys]

    clients[0].catalog.ListPapers(ListPapersRequest())
    with pytest.raises(grpc.RpcError) as raised:
        clients[0].catalog.ListPapers(ListPapersRequest())

    said = error_details(raised.value)
    assert (said.code, said.reason, said.retry_after_seconds) == (EXHAUSTED, "LIMIT_EXCEEDED", 5)
    assert dict(raised.value.trailing_metadata())["grpc-retry-pushback-ms"] == "5000"
    clients[0].status.GetStatus(GetStatusRequest())
    with failing(EXHAUSTED, "LIMIT_EXCEEDED"):
        clients[0].status.GetStatus(GetStatusRequest())
    assert reflected(service, keys[0]) is None
    assert reflected(service, keys[0]) is EXHAUSTED
    clients[1].catalog.ListPapers(ListPapersRequest())
    for client in clients:
        client.close()


def test_too_many_calls_at_the_same_time(start: Callable[..., Service]) -> None:
    """A call that waits for its message counts. When it has ended, the next call is admitted."""
    service = start(caller_concurrent_calls=1)
    is_over = threading.Event()

    def late() -> Iterator[bytes]:
        is_over.wait(30)
        yield b""

    with grpc.insecure_channel(service.target) as channel:
        waiting = channel.stream_unary("/paperfeed.v1.CatalogService/ListPapers").future(late(), timeout=30)
        wait_until(lambda: calls_at_work(service.client) == 1)
        with failing(EXHAUSTED, "LIMIT_EXCEEDED") as failure:
            service.client.catalog.ListPapers(ListPapersRequest())
        is_over.set()
        waiting.result()

    assert failure.said.metadata == {"limit": "calls at the same time"}
    assert failure.said.retry_after_seconds
    wait_until(lambda: calls_at_work(service.client) == 0)
    service.client.catalog.ListPapers(ListPapersRequest())


def test_answers_that_nobody_takes_count(start: Callable[..., Service]) -> None:
    """Calls whose answers wait for the client take its places, until it leaves."""
    service = start(caller_concurrent_calls=2)
    request = ListPapersRequest().SerializeToString()
    with Http2(service.target, takes=False) as connection:
        for turn in range(2 + module.MIN_UNTAKEN):
            connection.message(connection.open("/paperfeed.v1.CatalogService/ListPapers"), request)
            connection.send()
            wait_until(lambda made=turn + 1: listed(service.client) == made)  # type: ignore[misc]
        with failing(EXHAUSTED, "LIMIT_EXCEEDED") as failure:
            service.client.catalog.ListPapers(ListPapersRequest())

    assert failure.said.metadata == {"limit": "calls at the same time"}
    wait_until(lambda: is_admitted(service.client))


def test_stored_papers_are_limited(start: Callable[..., Service]) -> None:
    """A call that would store too many papers stores none; stored papers may be changed at the limit."""
    client = start(max_papers=2).client
    papers = make_papers(3)
    upsert(client, papers[:2])

    with failing(EXHAUSTED, "QUOTA_EXCEEDED") as failure:
        upsert(client, papers[1:])
    papers[0].abstract = "another text"

    assert failure.said.metadata == {"quota": "papers"}
    assert failure.said.retry_after_seconds is None
    assert upsert(client, papers[:2]) == ids(papers[:2])
    assert ids(client.catalog.ListPapers(ListPapersRequest()).papers) == sorted(ids(papers[:2]))


def test_likes_are_limited(start: Callable[..., Service]) -> None:
    """A user over the limit gets no further like, but may take one back and then like another paper."""
    client, user = start(max_likes=2).client, fresh("user")
    papers = upsert(client, make_papers(4))
    record(client, user, "like", *papers[:2])

    for kind in ("like", "save"):
        with failing(EXHAUSTED, "QUOTA_EXCEEDED"):
            record(client, user, kind, papers[2])
    record(client, user, "save", papers[0])
    record(client, user, "click", papers[3])
    record(client, user, "unlike", papers[0])
    record(client, user, "like", papers[2])
    with failing(EXHAUSTED, "QUOTA_EXCEEDED"):
        record(client, user, "like", papers[3])
    record(client, fresh("user"), "like", *papers[:2])
