"""Every RPC with and without a key, with a wrong, expired and revoked one, and with each scope."""

import re
import threading
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from service.api.callers.scopes import SCOPES, WITHIN_TRANSACTION, is_audited
from tests.process.running import ROOT
from tests.rpc.callers.builders import ALL_SCOPES, METHODS, answer_of, bearer, code_of
from tests.rpc.callers.conftest import Guarded

NO_IDENTITY, NO_RIGHT = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
each_rpc = pytest.mark.parametrize("method", METHODS)


def test_every_rpc_has_a_scope() -> None:
    """The table has all RPCs of the contract, and no others."""
    assert SCOPES.keys() == METHODS.keys()
    assert {method for method in SCOPES if is_audited(method)} >= WITHIN_TRANSACTION


def test_the_table_is_documented() -> None:
    """docs/security.md has the same table: RPC, scope, and whether calls leave an entry in the audit log."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+/\w+)` \| (?:`([a-z:]+)`|any key) \| (yes|no) \|$", page, re.MULTILINE)

    expected = {
        method: (scope.value if scope else "", "yes" if is_audited(method) else "no")
        for method, scope in SCOPES.items()
    }
    assert len(rows) == len(expected)
    assert {method: (scope, audited) for method, scope, audited in rows} == expected


@each_rpc
def test_callers_need_a_valid_key(guarded: Guarded, method: str) -> None:
    """Without a key, or with a wrong, malformed, expired or revoked one, every RPC is UNAUTHENTICATED."""
    right = guarded.keys.having(*ALL_SCOPES)
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    refused = {
        "none": (),
        "wrong": bearer(wrong),
        "malformed": bearer("pf_key"),
        "expired": bearer(guarded.keys.expired),
        "revoked": bearer(guarded.keys.revoked),
        "another scheme": (("authorization", f"Basic {right}"),),
        "two keys": (*bearer(right), *bearer(right)),
    }

    for case, metadata in refused.items():
        found = answer_of(guarded.channel, method, metadata)
        assert found is not None, case
        assert (found.code, found.reason) == (NO_IDENTITY, "UNAUTHENTICATED"), (case, found)
        assert right not in found.message


@each_rpc
def test_callers_need_the_scope(guarded: Guarded, method: str) -> None:
    """A key without the scope is PERMISSION_DENIED, whatever the request holds; a key with only the scope is not."""
    scope = SCOPES[method]
    if scope is None:
        for each in ALL_SCOPES:
            assert answer_of(guarded.channel, method, bearer(guarded.keys.having(each))) is None
        return

    denied = [
        answer_of(guarded.channel, method, bearer(guarded.keys.lacking(scope.value)), data)
        for data in (b"", b"\xff no message")
    ]
    allowed = answer_of(guarded.channel, method, bearer(guarded.keys.having(scope.value)))

    for found in denied:
        assert found is not None
        assert (found.code, found.reason, found.metadata) == (NO_RIGHT, "PERMISSION_DENIED", {"scope": scope.value})
    assert code_of(allowed) not in {NO_IDENTITY, NO_RIGHT}


def test_a_caller_is_refused_before_the_message(guarded: Guarded) -> None:
    """The server refuses a call whose message it has not got yet."""
    is_over = threading.Event()

    def never_sent() -> Iterator[bytes]:
        is_over.wait(30)
        yield b""

    call = guarded.channel.stream_unary("/paperfeed.v1.ProfileService/DeleteUser")
    try:
        with pytest.raises(grpc.RpcError) as raised:
            call(never_sent(), metadata=bearer(guarded.keys.having("feeds:read")), timeout=20)
    finally:
        is_over.set()

    assert raised.value.code() is NO_RIGHT


def test_health_is_open(guarded: Guarded) -> None:
    """Probes and balancers need no key."""
    answer = health_pb2_grpc.HealthStub(guarded.channel).Check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_needs_a_key(guarded: Guarded) -> None:
    """Any valid key may read the descriptors; without one, reflection is UNAUTHENTICATED."""
    stub = reflection_pb2_grpc.ServerReflectionStub(guarded.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    with pytest.raises(grpc.RpcError) as raised:
        list(stub.ServerReflectionInfo(iter([request])))
    (answer,) = stub.ServerReflectionInfo(iter([request]), metadata=bearer(guarded.keys.having("events:write")))

    assert raised.value.code() is NO_IDENTITY
    assert "paperfeed.v1.FeedService" in {each.name for each in answer.list_services_response.service}
