"""The HTTP client against a local server that fails in all ways that sources do."""

import datetime as dt
import email.utils
import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from service.domain.errors import SourceUnavailable
from service.fetch import http as http_module
from service.fetch.http import Http, RetryLimits, TemporaryFailure
from tests.service.fetch.web_server import Request, WebServer, web_server

QUICK = RetryLimits(tries=3, timeout_seconds=1.0, total_seconds=10.0, pause_seconds=0.0, wait_seconds=0.001)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A web server."""
    with web_server() as running:
        yield running


class Sleeps:
    """Records waits instead of waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def good(request: Request) -> None:
    """Answer correctly."""
    request.reply(b"good")


def status(code: int, **headers: str) -> Callable[[Request], None]:
    """Return a handler that answers with this status."""
    return lambda request: request.reply(b"", code, **headers)


def reset(request: Request) -> None:
    """Send half of the answer and reset the connection."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"half")
    request.break_off()


def short(request: Request) -> None:
    """Send less than the announced length."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"half")
    request.close_connection = True


def damaged_gzip(request: Request) -> None:
    """Send an answer that cannot be decompressed."""
    request.reply(gzip.compress(b"good")[:10] + b"\xff" * 200, Content_Encoding="gzip")


def empty(request: Request) -> None:
    """Send an empty answer."""
    request.reply(b"")


def silent(request: Request) -> None:
    """Send nothing until the client closes the connection."""
    request.rfile.read(1)
    request.close_connection = True


def trickle(request: Request) -> None:
    """Send a byte now and then until the client closes the connection."""
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    while True:
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.02)


@pytest.mark.parametrize(
    "bad",
    [status(429), status(500), status(503), reset, short, damaged_gzip, empty, silent],
    ids=["429", "500", "503", "reset", "short", "damaged", "empty", "silent"],
)
def test_temporary_failures_are_retried(server: WebServer, bad: Callable[[Request], None]) -> None:
    """After two temporary failures the third answer is returned."""
    server.say(bad, bad, good)
    sleeps = Sleeps()
    with Http("test/1", QUICK, sleep=sleeps) as http:
        assert http.get(server.url) == b"good"
    assert len(server.requests) == 3
    assert len(sleeps.seconds) == 2


@pytest.mark.parametrize("bad", [status(503), reset, silent, trickle], ids=["503", "reset", "silent", "trickle"])
def test_not_for_ever(server: WebServer, bad: Callable[[Request], None]) -> None:
    """After all attempts the error names the address and the number of attempts."""
    server.say(bad)
    limits = replace(QUICK, timeout_seconds=0.2, total_seconds=0.2)
    with Http("test/1", limits, sleep=Sleeps()) as http, pytest.raises(SourceUnavailable) as caught:
        http.get(server.url)
    assert server.url in str(caught.value)
    assert "(3 tries)" in str(caught.value)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 204])
def test_permanent_failures_are_not_retried(server: WebServer, code: int) -> None:
    """A permanent failure is not retried, and the error names the status."""
    server.say(status(code))
    with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match=f"it answered {code}"):
        http.get(server.url)
    assert len(server.requests) == 1


def test_retry_after(server: WebServer) -> None:
    """The client waits for the seconds or date of Retry-After, at most five minutes, and ignores an invalid value."""
    then = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
    date = email.utils.format_datetime(then, usegmt=True)
    odd = [
        "soon",
        "\u00b2",
        "-1",
        "1e9",
        "9" * 400,
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
    ]
    said = ["7", date, "999999", *odd]
    server.say(*(status(429, Retry_After=value) for value in said), good)
    sleeps = Sleeps()
    with Http("test/1", RetryLimits(tries=20, pause_seconds=0, wait_seconds=0.5), sleep=sleeps) as http:
        assert http.get(server.url) == b"good"
    assert sleeps.seconds[0] == 7
    assert 55 < sleeps.seconds[1] <= 60
    assert sleeps.seconds[2] == 300
    assert len(sleeps.seconds) == len(said)
    assert all(0 <= seconds <= 300 for seconds in sleeps.seconds[3:])


def test_waits_grow_and_differ() -> None:
    """Without Retry-After the longest possible wait doubles with each attempt, and clients wait differently."""
    with web_server() as server:
        server.say(status(500))
        longest = []
        for _ in range(12):
            sleeps = Sleeps()
            limits = RetryLimits(tries=6, pause_seconds=0, wait_seconds=1)
            with Http("t", limits, sleep=sleeps) as http, pytest.raises(SourceUnavailable):
                http.get(server.url)
            longest.append(sleeps.seconds)
    assert all(waits[attempt] <= 2**attempt for waits in longest for attempt in range(5))
    assert max(waits[4] for waits in longest) > 4
    assert len({tuple(waits) for waits in longest}) == 12


def test_redirects(server: WebServer) -> None:
    """A few redirects are followed; a circle of redirects is not retried."""
    server.say(status(302, Location="/there"), good)
    with Http("test/1", QUICK) as http:
        assert http.get(server.url) == b"good"
        server.say(status(302, Location="/round"))
        before = len(server.requests)
        with pytest.raises(SourceUnavailable, match="cannot be requested"):
            http.get(server.url)
    assert len(server.requests) - before <= http_module.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:1/", "http://localhost:1/", "http://[::1]:1/", "http://10.0.0.1/x"]
)
def test_redirects_into_private_networks(server: WebServer, target: str) -> None:
    """A redirect to another private host or port is refused, unless it is allowed; then it is only not answered."""
    server.say(status(302, Location=target))
    with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match="which is private; PAPERFEED_FETCH_PRI"):
        http.get(server.url)
    with web_server() as other, Http("test/1", QUICK, allow_private_redirects=True) as http:
        other.say(good)
        server.say(status(302, Location=other.url))
        assert http.get(server.url) == b"good"
    with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match="is private"):
        http.get(server.url)  # another port of the same host


@pytest.mark.parametrize(
    "target", ["http://" + "a" * 70 + ".example/", "http://[::1/", "ftp://x", "http://a:99999/", "//"]
)
def test_odd_redirects(server: WebServer, target: str) -> None:
    """A redirect to an address that cannot exist is an error that names the first address."""
    server.say(status(302, Location=target))
    with Http("test/1", QUICK, sleep=Sleeps()) as http, pytest.raises(SourceUnavailable, match="127"):
        http.get(server.url)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "no address", "http://", "file:///etc/passwd"])
def test_invalid_addresses(url: str) -> None:
    """An invalid address is an error without a request."""
    with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match="cannot be requested"):
        http.get(url)


def test_nobody_there() -> None:
    """A closed port is retried and then an error."""
    with Http("test/1", QUICK, sleep=Sleeps()) as http, pytest.raises(SourceUnavailable, match="3 tries"):
        http.get("http://127.0.0.1:1/")


def test_size_and_bombs(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer over the limit is an error without a retry, compressed or not."""
    monkeypatch.setattr(http_module, "MAX_BYTES", 100_000)
    for body, headers in ((b"x" * 200_000, {}), (gzip.compress(b"\0" * 50_000_000), {"Content_Encoding": "gzip"})):
        server.say(lambda request, body=body, headers=headers: request.reply(body, **headers))  # type: ignore[misc]
        before = len(server.requests)
        with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match="larger than 100,000 bytes"):
            http.get(server.url)
        assert len(server.requests) == before + 1


def test_a_certificate_that_is_not_valid(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An invalid certificate is an error without a retry."""
    import shutil
    import ssl
    import subprocess

    from tests.requirements import require

    require("openssl", shutil.which("openssl") is not None, "needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=localhost", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    sleeps = Sleeps()
    with web_server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http://", "https://")
        with Http("test/1", QUICK, sleep=sleeps) as http, pytest.raises(SourceUnavailable, match="certificate"):
            http.get(url)
    assert sleeps.seconds == []


def test_manners(server: WebServer) -> None:
    """The client sends its user agent, and pauses between two requests."""
    server.say(good)
    sleeps = Sleeps()
    with Http("paperfeed/1 (me@example.org)", RetryLimits(pause_seconds=300), sleep=sleeps) as http:
        http.get(server.url)
        http.get(server.url)
    assert server.requests[0][1]["User-Agent"] == "paperfeed/1 (me@example.org)"
    assert len(sleeps.seconds) == 1
    assert 200 < sleeps.seconds[0] <= 300


def test_a_body_that_is_worth_a_retry(server: WebServer) -> None:
    """The caller's check can ask for a retry."""

    def check(body: bytes) -> None:
        if body != b"good":
            raise TemporaryFailure("it is bad")

    server.say(lambda request: request.reply(b"bad"), good)
    with Http("test/1", QUICK, sleep=Sleeps()) as http:
        assert http.get(server.url, check=check) == b"good"
