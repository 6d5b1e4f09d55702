"""Clients and commands call a server over TLS, with a client certificate and an API key."""

import asyncio
import json
import select
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from mailer.errors import ServiceUnavailable
from mailer.service import FeedService
from paperfeed.client import Access, AsyncClient, Client, access_of_files, tls
from paperfeed.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)
from testing.certificates import Authority, Pair
from tests.cli.command import Run
from tests.requirements import require


@dataclass(frozen=True)
class Certificates:
    """PEM files of an authority, and of a server and a client whose certificates it signed."""

    root: Path
    server: Pair
    client: Pair


@dataclass
class Guarded(
    status_pb2_grpc.StatusServiceServicer,
    catalog_pb2_grpc.CatalogServiceServicer,
    profile_pb2_grpc.ProfileServiceServicer,
):
    """Servicers that keep what they learn of their callers."""

    target: str = ""
    authorizations: list[str] = field(default_factory=list)
    peers: list[bytes] = field(default_factory=list)

    def GetStatus(
        self, request: status_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> status_pb2.GetStatusResponse:
        self._note(context)
        return status_pb2.GetStatusResponse(version="1")

    def ListDigests(
        self, request: catalog_pb2.ListDigestsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListDigestsResponse:
        self._note(context)
        return catalog_pb2.ListDigestsResponse()

    def ListDeletedUsers(
        self, request: profile_pb2.ListDeletedUsersRequest, context: grpc.ServicerContext
    ) -> profile_pb2.ListDeletedUsersResponse:
        self._note(context)
        return profile_pb2.ListDeletedUsersResponse()

    def _note(self, context: grpc.ServicerContext) -> None:
        self.authorizations.append(str(dict(context.invocation_metadata()).get("authorization", "")))
        self.peers += context.peer_identities() or ()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make certificates")
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    return Certificates(authority.root, authority.issue("server"), authority.issue("client"))


@pytest.fixture
def guarded(certificates: Certificates) -> Iterator[Guarded]:
    """A server that asks for a client certificate."""
    servicer = Guarded()
    server = grpc.server(ThreadPoolExecutor(2))
    status_pb2_grpc.add_StatusServiceServicer_to_server(servicer, server)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(servicer, server)
    profile_pb2_grpc.add_ProfileServiceServicer_to_server(servicer, server)
    pair = [(certificates.server.key.read_bytes(), certificates.server.certificate.read_bytes())]
    credentials = grpc.ssl_server_credentials(pair, certificates.root.read_bytes(), require_client_auth=True)
    servicer.target = f"localhost:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    yield servicer
    server.stop(None).wait()


def test_both_clients(guarded: Guarded, certificates: Certificates) -> None:
    """Both clients prove the server's and their own identity, and send the API key as a bearer token."""
    credentials = tls(
        root_certificates=certificates.root.read_bytes(),
        certificate=certificates.client.certificate.read_bytes(),
        private_key=certificates.client.key.read_bytes(),
    )

    with Client(guarded.target, credentials=credentials, api_key="a key") as client:
        assert client.status.GetStatus(status_pb2.GetStatusRequest()).version == "1"

    async def call() -> str:
        async with AsyncClient(guarded.target, credentials=credentials, api_key="a key") as client:
            return (await client.status.GetStatus(status_pb2.GetStatusRequest())).version

    assert asyncio.run(call()) == "1"
    assert guarded.authorizations == ["Bearer a key"] * 2
    assert b"localhost" in guarded.peers


def test_strangers_are_refused(guarded: Guarded, certificates: Certificates, tmp_path: Path) -> None:
    """Without TLS, without the authority or without a client certificate there is no connection."""
    for credentials in (None, tls(), tls(root_certificates=certificates.root.read_bytes())):
        with Client(guarded.target, credentials=credentials, retries=False) as client:
            with pytest.raises(grpc.RpcError) as raised:
                client.status.GetStatus(status_pb2.GetStatusRequest(), timeout=5)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    with (
        FeedService(guarded.target, Access(tls()), timeout_seconds=1) as service,
        pytest.raises(ServiceUnavailable),
    ):
        list(service.digests())
    with pytest.raises(ValueError, match="needed together"):
        tls(certificate=b"")
    (tmp_path / "key").write_text("two\nlines")
    with pytest.raises(ValueError, match="one line"):
        access_of_files("localhost:1", api_key_file=str(tmp_path / "key"))
    assert guarded.peers == []


def test_commands(guarded: Guarded, certificates: Certificates, paperfeed: Run, tmp_path: Path) -> None:
    """Commands take the files from options or the environment; a file that is missing is wrong usage."""
    (tmp_path / "key").write_text("a key\n")
    client = ("--tls-cert", certificates.client.certificate, "--tls-key", certificates.client.key)
    by_option = ("--server", guarded.target, "--tls-ca", certificates.root, *client)
    by_environment = {
        "PAPERFEED_SERVER": guarded.target,
        "PAPERFEED_MAIL_SERVER": guarded.target,
        "PAPERFEED_MAIL_DB": f"sqlite:///{tmp_path / 'mail.db'}",
        "PAPERFEED_TLS_CA": str(certificates.root),
        "PAPERFEED_TLS_CERT": str(certificates.client.certificate),
        "PAPERFEED_TLS_KEY": str(certificates.client.key),
        "PAPERFEED_API_KEY_FILE": str(tmp_path / "key"),
    }

    asked = [paperfeed("status", "--json", *by_option), paperfeed("status", "--json", **by_environment)]
    mail = paperfeed("mail", "send", "--json", **by_environment)

    assert [json.loads(done.out)["version"] for done in asked] == ["1", "1"], [done.err for done in asked]
    assert guarded.authorizations[:2] == ["", "Bearer a key"]
    assert json.loads(mail.out)["problems"] == [], mail.err
    missing = paperfeed("status", "--server", guarded.target, "--tls-ca", str(tmp_path / "none.pem"))
    assert missing.code == 2
    assert "none.pem" in missing.err


@pytest.mark.parametrize(
    ("target", "is_local"),
    [
        ("localhost:50051", True),
        ("127.0.0.1:50051", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        ("ipv4:127.0.0.2:1", True),
        ("unix:/run/paperfeed.sock", True),
        ("paperfeed:50051", False),
        ("dns:///paperfeed.example.org:443", False),
        ("localhost.example.org:443", False),
        ("10.0.0.1:50051", False),
        ("dns://10.0.0.1/localhost:50051", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:2", False),
    ],
)
def test_a_key_needs_tls(target: str, is_local: bool, tmp_path: Path) -> None:
    """A key goes without TLS to this machine only; files for another machine give TLS with the roots of gRPC."""
    (tmp_path / "key").write_text("a key\n")

    access = access_of_files(target, api_key_file=str(tmp_path / "key"))

    assert access.api_key == "a key"
    assert "a key" not in repr(access)
    assert (access.credentials is None) == is_local
    if is_local:
        Client(target, api_key="a key").close()
    else:
        with pytest.raises(ValueError, match="without TLS"):
            Client(target, api_key="a key")
    assert access_of_files(target) == Access()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_calls_to_this_machine_pass_no_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that needs no TLS, because the server is on this machine, is not sent to a proxy on another one."""
    with socket.create_server(("127.0.0.1", 0)) as proxy, socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY", "grpc_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        with Client(f"{host}:{server.getsockname()[1]}", api_key="pf_secret", timeout=20, retries=False) as client:
            call = client.status.GetStatus.future(status_pb2.GetStatusRequest())
            reached, _, _ = select.select([proxy, server], [], [], 20)
            call.cancel()

    assert reached == [server]
