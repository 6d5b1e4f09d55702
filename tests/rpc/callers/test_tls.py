"""TLS of the server: certificates that are replaced under load, and clients known by their certificates."""

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paperfeed.client import Client, tls
from paperfeed.v1.catalog_pb2 import ListPapersRequest
from service.domain.errors import InvalidField
from testing.calls import failing, wait_until
from testing.certificates import Authority, Pair
from testing.servers import Service
from tests.requirements import require
from tests.rpc.callers.builders import grant, new_key, opened, revoke

NO_IDENTITY, NO_RIGHT = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
REQUEST = ListPapersRequest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of servers and clients."""
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server_pair(authority: Authority) -> Pair:
    """The server's certificate."""
    return authority.issue("server")


def server_settings(pair: Pair, client_ca: Path | None = None) -> dict[str, str]:
    """Return the settings of a server with TLS."""
    found = {"server_tls_cert": str(pair.certificate), "server_tls_key": str(pair.key)}
    return found | ({"server_client_ca": str(client_ca)} if client_ca else {})


def trusting(*roots: Path, client: Pair | None = None) -> grpc.ChannelCredentials:
    """Return the credentials of a client."""
    return tls(
        root_certificates=b"".join(root.read_bytes() for root in roots),
        certificate=client.certificate.read_bytes() if client else None,
        private_key=client.key.read_bytes() if client else None,
    )


def target_of(service: Service) -> str:
    """Return the server's address under the name in its certificate."""
    return f"localhost:{service.port}"


def new_connection(target: str, credentials: grpc.ChannelCredentials) -> grpc.Channel:
    """Return a channel that shares no connection with others."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    return grpc.secure_channel(target, credentials, options)


def is_served(target: str, credentials: grpc.ChannelCredentials) -> bool:
    """Return whether a new connection succeeds."""
    with new_connection(target, credentials) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return True


def test_keys_over_tls(start: Callable[..., Service], authority: Authority, server_pair: Pair) -> None:
    """A server with TLS serves calls with a key over TLS, and none without TLS."""
    service = start(auth="keys", **server_settings(server_pair))
    with opened(service.url) as store:
        key = new_key(store, "feeds:read")

    with Client(target_of(service), credentials=trusting(authority.root), api_key=key, retries=False) as client:
        client.catalog.ListPapers(REQUEST)
    with (
        Client(target_of(service), credentials=trusting(authority.root), retries=False) as client,
        failing(NO_IDENTITY),
    ):
        client.catalog.ListPapers(REQUEST)
    with (
        Client(target_of(service), api_key=key, retries=False) as client,
        failing(grpc.StatusCode.UNAVAILABLE),
    ):
        client.catalog.ListPapers(REQUEST, timeout=10)


def test_callers_are_their_certificates(start: Callable[..., Service], authority: Authority, server_pair: Pair) -> None:
    """A certificate's URI or common name gives the scopes, until they are revoked. API keys do not count."""
    uri = "spiffe://example.org/mailer"
    by_uri = authority.issue("some pod", other_names=[f"URI:{uri}"])
    by_name = authority.issue("operator", other_names=[])
    unknown = authority.issue("mailer", other_names=["DNS:operator", "URI:spiffe://example.org/other"])
    service = start(auth="mtls", **server_settings(server_pair, authority.root))
    with opened(service.url) as store:
        granted = grant(store, uri, "feeds:read")
        grant(store, "operator", "events:write")
        key = new_key(store, "feeds:read")

        def client_of(pair: Pair, api_key: str = "") -> Client:
            credentials = trusting(authority.root, client=pair)
            return Client(target_of(service), credentials=credentials, api_key=api_key, retries=False)

        with client_of(by_uri) as client:
            client.catalog.ListPapers(REQUEST)
        with client_of(by_name) as client, failing(NO_RIGHT):
            client.catalog.ListPapers(REQUEST)
        with client_of(unknown, key) as client, failing(NO_IDENTITY):
            client.catalog.ListPapers(REQUEST)
        revoke(store, f"pf_{granted}_")
        with client_of(by_uri) as client:
            wait_until(lambda: not _is_ok(client), 20)
    assert not is_served(target_of(service), trusting(authority.root))


def _is_ok(client: Client) -> bool:
    try:
        client.catalog.ListPapers(REQUEST)
    except grpc.RpcError as error:
        if error.code() is not NO_IDENTITY:
            raise
        return False
    return True


def put(source: Pair, target: Pair) -> None:
    """Replace a certificate and then its key, each at once, so that for a moment the two do not fit."""
    for new, old in ((source.certificate, target.certificate), (source.key, target.key)):
        copy = old.with_suffix(".new")
        shutil.copy(new, copy)
        copy.replace(old)


@pytest.fixture
def used(server_pair: Pair, tmp_path: Path) -> Pair:
    """Files of the server that the test replaces."""
    pair = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    put(server_pair, pair)
    return pair


def test_certificates_are_replaced_under_load(
    start: Callable[..., Service], authority: Authority, used: Pair, tmp_path: Path
) -> None:
    """While the files are replaced, no call fails, on old and on new connections; then the new certificate serves."""
    others = [Authority(tmp_path, f"authority-{number}") for number in range(3)]
    service = start(auth="keys", **server_settings(used))
    target, is_over = target_of(service), threading.Event()
    everybody = trusting(authority.root, *(each.root for each in others))
    with opened(service.url) as store:
        key = new_key(store, "feeds:read")

    counts = [0] * 4

    def call_on_one_connection(number: int) -> int:
        with Client(target, credentials=everybody, api_key=key, retries=False) as client:
            while not is_over.is_set():
                client.catalog.ListPapers(REQUEST)
                counts[number] += 1
        return counts[number]

    def call_on_new_connections(number: int) -> int:
        while not is_over.is_set():
            counts[number] += is_served(target, everybody)
        return counts[number]

    def all_go_on(before: list[int]) -> bool:
        return all(future.done() for future in (*kept, *new)) or all(
            late >= early + 4 for early, late in zip(before, counts, strict=True)
        )

    with ThreadPoolExecutor(4) as pool:
        kept = [pool.submit(call_on_one_connection, number) for number in (0, 1)]
        new = [pool.submit(call_on_new_connections, number) for number in (2, 3)]
        try:
            for other in others:
                put(other.issue("server"), used)
                wait_until(lambda only=other: is_served(target, trusting(only.root)), 20)  # type: ignore[misc]
                assert not is_served(target, trusting(authority.root))
                # Callers go on with each certificate, however fast the files are replaced.
                wait_until(lambda before=list(counts): all_go_on(before), 20)  # type: ignore[misc]
        finally:
            is_over.set()

    assert all(future.result() > 10 for future in kept)
    assert all(future.result() > 2 for future in new)


def test_failed_handshakes_are_no_new_calls(start: Callable[..., Service], authority: Authority, used: Pair) -> None:
    """A client of another authority is refused, and the server goes on."""
    service = start(**server_settings(used))

    assert not is_served(target_of(service), tls())
    assert is_served(target_of(service), trusting(authority.root))


def test_files_that_cannot_be_used(
    start: Callable[..., Service], authority: Authority, used: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged or missing files change nothing, and the log names them once; files that are mended are used."""
    service, good = start(**server_settings(used)), used.certificate.read_bytes()
    target, credentials = target_of(service), trusting(authority.root)

    other = authority.issue("another")
    for damage in (
        lambda: used.certificate.write_text("no certificate"),
        lambda: shutil.copy(other.certificate, used.certificate),
        used.certificate.unlink,
    ):
        caplog.clear()
        damage()
        assert [is_served(target, credentials) for _ in range(3)] == [True] * 3
        found = [record for record in caplog.records if record.name == "paperfeed.tls"]
        assert [record.levelno for record in found] == [logging.WARNING]
    used.certificate.write_bytes(good)
    caplog.clear()
    with caplog.at_level(logging.INFO, "paperfeed.tls"):
        assert is_served(target, credentials)

    assert [record.message for record in caplog.records if record.name == "paperfeed.tls"] == ["new TLS certificate"]


def test_a_server_does_not_start_with_wrong_files(
    start: Callable[..., Service], authority: Authority, server_pair: Pair, used: Pair
) -> None:
    """Files that are missing or do not belong together, and mtls without authorities, are wrong usage."""
    other = authority.issue("other")
    wrong: list[dict[str, str]] = [
        {"server_tls_cert": str(used.certificate)},
        {"server_tls_key": str(used.key)},
        {"server_client_ca": str(authority.root)},
        server_settings(Pair(used.certificate, other.key)),
        server_settings(Pair(Path("missing.pem"), used.key)),
        server_settings(used) | {"auth": "mtls"},
    ]

    for settings in wrong:
        with pytest.raises(InvalidField):
            start(**settings)
