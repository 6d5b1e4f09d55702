"""Limits of the web pages over real sockets: rates by network, believed proxies, slow requests, connections."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from mailer.config import MailSettings
from mailer.errors import InvalidField
from mailer.links import Purpose
from mailer.networks import client_key
from mailer.service import FeedService
from mailer.storage import MailStore
from mailer.web.connections import MAX_CONNECTIONS_OF_CLIENT, MAX_HEAD_BYTES
from testing.mailer.builders import FixedClock
from tests.mailer.site import RunningSite, running_site
from tests.mailer.web.reading import url

Serve = Callable[..., RunningSite]
HASTY = 0.5
"""Seconds that a request may take to arrive, where it never does."""
PATIENT = 1.5
"""The same where one does: a busy machine must have sent it by then."""
FORM = {"address": "a@example.org", "weekdays": "1"}


@pytest.fixture
def serve(store: MailStore, clock: FixedClock) -> Iterator[Serve]:
    """Serve the pages with settings."""
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(FeedService("127.0.0.1:1", timeout_seconds=0.2))

        def start(**settings: object) -> RunningSite:
            return stack.enter_context(running_site(store, service, MailSettings.read({}, **settings), clock))

        yield start


@contextlib.contextmanager
def connected(site: RunningSite) -> Iterator[socket.socket]:
    """Open a connection that waits ten seconds at most."""
    address = urlsplit(site.base_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as opened:
        yield opened


def everything(connection: socket.socket) -> bytes:
    """Return what the site sends until it closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


def post(path: str, length: int) -> bytes:
    """Return the head of a POST of a form."""
    kind = "application/x-www-form-urlencoded"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def dribble(connection: socket.socket, head: bytes) -> None:
    """Send a head, then a body byte by byte."""
    connection.sendall(head)
    for _ in range(10_000):
        connection.sendall(b"a")
        time.sleep(HASTY / 10)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("x" * 100, "x" * 64),
    ],
)
def test_what_is_one_client(host: str, key: str) -> None:
    """Clients are IPv4 addresses and /64 networks of IPv6."""
    assert client_key(host) == key


@pytest.mark.parametrize("proxies", ["*", "ingress", "10.0.0.0/33", "0.0.0.0/0", "10.0.0.1, ::/0", "10.1.2.3/8"])
def test_proxies_that_are_refused(proxies: str) -> None:
    """Names, malformed networks and the whole Internet are no proxies."""
    with pytest.raises(InvalidField, match="TRUSTED_PROXIES"):
        MailSettings.read({"PAPERFEED_MAIL_TRUSTED_PROXIES": proxies})


def test_nobody_is_believed_by_default(serve: Serve) -> None:
    """Without configured proxies, a caller from this machine cannot take other addresses to evade the limit."""
    site = serve()

    statuses = [site.ask("/subscribe", FORM, X_Forwarded_For=f"192.0.2.{n}").status for n in range(11)]

    assert statuses == [200] * 10 + [429]


def test_configured_proxies_name_the_client(serve: Serve) -> None:
    """The address that the proxy appends counts, by its /64, whatever the client wrote before it."""
    site = serve(trusted_proxies="127.0.0.1, 10.9.0.0/16")

    def ask(*hops: str) -> int:
        return site.ask("/subscribe", FORM, X_Forwarded_For=", ".join(hops)).status

    assert {ask(f"192.0.2.{n}", f"2001:db8::{n:x}", "10.9.0.1") for n in range(10)} == {200}
    assert ask("192.0.2.77", "2001:db8::ffff", "10.9.0.1") == 429
    assert ask("2001:db8:0:1::1", "10.9.0.1") == 200
    assert ask("198.51.100.1") == 200


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", post("/subscribe", 99) + b"a="]
)
def test_half_a_request_is_dropped(serve: Serve, sent: bytes) -> None:
    """A connection without a request, or with a part of its head or body, is closed; others are answered."""
    site = serve(request_timeout_seconds=HASTY)
    with connected(site) as connection:
        connection.sendall(sent)
        assert everything(connection) == b""
    assert site.ask("/healthz").status == 200


def test_a_dribbled_request_is_dropped(serve: Serve) -> None:
    """Sending a byte now and then does not lengthen the time limit."""
    site = serve(request_timeout_seconds=HASTY)
    with connected(site) as connection, pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
        dribble(connection, post("/subscribe", 10_000))


def test_a_body_that_nobody_waits_for(serve: Serve) -> None:
    """A page that answers before the body arrived does not keep the connection open for the rest of it."""
    site = serve(request_timeout_seconds=PATIENT)
    path = urlsplit(url(site, Purpose.UNSUBSCRIBE)).path
    with connected(site) as connection:
        connection.sendall(post(path, 5_000) + b"List-")
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_quiet_connection_is_kept(serve: Serve) -> None:
    """The time limit does not run between two requests of a connection."""
    site = serve(request_timeout_seconds=PATIENT)
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(site) as connection:
        connection.sendall(request)
        answer = connection.recv(65536)
        if not answer.endswith(b"ok"):  # the body may come in a packet of its own
            answer += connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        time.sleep(1.2 * PATIENT)
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert everything(connection).startswith(b"HTTP/1.1 200")


def test_requests_sent_together(serve: Serve) -> None:
    """The time limit of a request that came half with an earlier one begins when the earlier one is answered."""
    site = serve(request_timeout_seconds=PATIENT)
    with connected(site) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\n")
        assert everything(connection).count(b"HTTP/1.1 200") == 1


def test_a_long_head_is_refused(serve: Serve) -> None:
    """A request whose head goes on beyond the limit gets 400."""
    site = serve()
    with connected(site) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 2 * MAX_HEAD_BYTES)
        assert everything(connection).startswith(b"HTTP/1.1 400")


def test_connections_of_one_client(serve: Serve) -> None:
    """One client has a limited number of connections; a proxy that stands for many clients has no such limit."""
    for proxies, kept in (("", MAX_CONNECTIONS_OF_CLIENT), ("127.0.0.1", MAX_CONNECTIONS_OF_CLIENT + 10)):
        site = serve(trusted_proxies=proxies)
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(connected(site)) for _ in range(MAX_CONNECTIONS_OF_CLIENT + 10)]
            answered = 0
            for connection in opened:
                with contextlib.suppress(OSError):
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    answered += connection.recv(65536).startswith(b"HTTP/1.1 200")
            assert answered == kept
