"""A server that other machines can reach identifies its callers, unless the user says otherwise."""

import logging
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import ListPapersRequest
from service.api.callers.exposure import is_local
from service.domain.errors import InvalidField
from testing.servers import Service

BUNDLE_LOG = "paperfeed.serving"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("unix:/run/paperfeed.sock", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("no-such-host.invalid", False),
    ],
)
def test_addresses_of_this_machine(host: str, local: bool) -> None:
    """Only loopback addresses and Unix sockets are out of reach of other machines."""
    assert is_local(host) == local


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the server's warnings, without those about the bundle."""
    return [each.message for each in caplog.records if each.levelno >= logging.WARNING and each.name != BUNDLE_LOG]


def test_others_need_an_identity(start: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    """Without identity, a server that others can reach refuses to start, or says in its log that it is insecure."""
    with pytest.raises(InvalidField, match="--insecure"):
        start(host="0.0.0.0")
    assert warnings(caplog) == []

    start(host="0.0.0.0", insecure=True).client.catalog.ListPapers(ListPapersRequest())
    start(host="0.0.0.0", auth="keys")

    assert [message.split(":")[0].split(" unless")[0] for message in warnings(caplog)] == [
        "insecure",
        "nobody can call",
        "API keys and data cross the network unencrypted",
    ]


def test_this_machine_needs_none(start: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    """On a loopback address no key is needed and nothing is warned of."""
    start().client.catalog.ListPapers(ListPapersRequest())

    assert warnings(caplog) == []


def test_a_unix_socket(start: Callable[..., Service], tmp_path: Path) -> None:
    """A server may listen on a Unix socket; a key is sent there without TLS."""
    target = f"unix:{tmp_path / 'paperfeed.sock'}"
    start(host=target, auth="keys")

    with Client(target, api_key="pf_wrong", retries=False) as client, pytest.raises(grpc.RpcError) as raised:
        client.catalog.ListPapers(ListPapersRequest())

    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
