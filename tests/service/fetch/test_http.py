"""The client against a real server that misbehaves in every way that sources do."""

import datetime as dt
import email.utils
import gzip
import time
from collections.abc import Callable, Iterator

import pytest

from service.domain.errors import SourceUnavailable
from service.fetch import http as http_module
from service.fetch.http import Http, Passing, Patience
from tests.service.fetch.web_server import Request, WebServer, web_server

QUICK = Patience(tries=3, timeout_seconds=0.5, total_seconds=1.0, pause_seconds=0.0, wait_seconds=0.001)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A web server."""
    with web_server() as running:
        yield running


class Sleeps:
    """Counts seconds instead of waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def good(request: Request) -> None:
    """All is well."""
    request.reply(b"good")


def status(code: int, **headers: str) -> Callable[[Request], None]:
    """An answer with that status."""
    return lambda request: request.reply(b"", code, **headers)


def reset(request: Request) -> None:
    """Says half and hangs up."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"half")
    request.break_off()


def short(request: Request) -> None:
    """Promises more than it sends."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"half")
    request.close_connection = True


def damaged_gzip(request: Request) -> None:
    """A packed answer that cannot be unpacked."""
    request.reply(gzip.compress(b"good")[:10] + b"\xff" * 200, Content_Encoding="gzip")


def empty(request: Request) -> None:
    """All is well, and there is nothing."""
    request.reply(b"")


def silent(_request: Request) -> None:
    """Never answers in time."""
    time.sleep(0.8)


def trickle(request: Request) -> None:
    """A byte now and then: never silent for long, never done."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(40):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize(
    "bad",
    [status(429), status(500), status(503), reset, short, damaged_gzip, empty, silent],
    ids=["429", "500", "503", "reset", "short", "damaged", "empty", "silent"],
)
def test_what_passes_is_tried_again(server: WebServer, bad: Callable[[Request], None]) -> None:
    """Two bad answers, then a good one: the good one counts."""
    server.say(bad, bad, good)
    sleeps = Sleeps()
    with Http("test/1", QUICK, sleep=sleeps) as http:
        assert http.get(server.url) == b"good"
    assert len(server.requests) == 3
    assert len(sleeps.seconds) == 2


@pytest.mark.parametrize("bad", [status(503), reset, silent, trickle], ids=["503", "reset", "silent", "trickle"])
def test_not_for_ever(server: WebServer, bad: Callable[[Request], None]) -> None:
    """After all tries the error names the address and what was wrong last."""
    server.say(bad)
    with Http("test/1", QUICK, sleep=Sleeps()) as http, pytest.raises(SourceUnavailable) as caught:
        http.get(server.url)
    assert server.url in str(caught.value)
    assert "(3 tries)" in str(caught.value)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 204])
def test_what_does_not_pass_fails_at_once(server: WebServer, code: int) -> None:
    """One request, and the status in the error."""
    server.say(status(code))
    with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match=f"it answered {code}"):
        http.get(server.url)
    assert len(server.requests) == 1


def test_retry_after(server: WebServer) -> None:
    """Seconds and dates are kept to, absurd ones up to five minutes; nonsense counts as nothing said."""
    then = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
    date = email.utils.format_datetime(then, usegmt=True)
    said = ["7", date, "999999", "soon"]
    server.say(*(status(429, Retry_After=value) for value in said), good)
    sleeps = Sleeps()
    with Http("test/1", Patience(tries=9, pause_seconds=0, wait_seconds=0.5), sleep=sleeps) as http:
        assert http.get(server.url) == b"good"
    assert sleeps.seconds[0] == 7
    assert 55 < sleeps.seconds[1] <= 60
    assert sleeps.seconds[2] == 300
    assert 0 <= sleeps.seconds[3] <= 8


def test_waits_grow_and_differ() -> None:
    """Without a word from the server each wait may be twice the one before, and no two clients wait alike."""
    with web_server() as server:
        server.say(status(500))
        longest = []
        for _ in range(12):
            sleeps = Sleeps()
            patience = Patience(tries=6, pause_seconds=0, wait_seconds=1)
            with Http("t", patience, sleep=sleeps) as http, pytest.raises(SourceUnavailable):
                http.get(server.url)
            longest.append(sleeps.seconds)
    assert all(waits[attempt] <= 2**attempt for waits in longest for attempt in range(5))
    assert max(waits[4] for waits in longest) > 4
    assert len({tuple(waits) for waits in longest}) == 12


def test_redirects(server: WebServer) -> None:
    """A few are followed; a circle ends at once."""
    server.say(status(302, Location="/there"), good)
    with Http("test/1", QUICK) as http:
        assert http.get(server.url) == b"good"
        server.say(status(302, Location="/round"))
        before = len(server.requests)
        with pytest.raises(SourceUnavailable, match="cannot be asked"):
            http.get(server.url)
    assert len(server.requests) - before <= http_module.MAX_REDIRECTS + 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "no address", "http://", "file:///etc/passwd"])
def test_addresses_that_are_none(url: str) -> None:
    """Refused at once, by name."""
    with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match="cannot be asked"):
        http.get(url)


def test_nobody_there() -> None:
    """A closed port is tried again, then named."""
    with Http("test/1", QUICK, sleep=Sleeps()) as http, pytest.raises(SourceUnavailable, match="3 tries"):
        http.get("http://127.0.0.1:1/")


def test_size_and_bombs(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer beyond the limit is not read to its end, packed or not, and not asked for again."""
    monkeypatch.setattr(http_module, "MAX_BYTES", 100_000)
    for body, headers in ((b"x" * 200_000, {}), (gzip.compress(b"\0" * 50_000_000), {"Content_Encoding": "gzip"})):
        server.say(lambda request, body=body, headers=headers: request.reply(body, **headers))  # type: ignore[misc]
        before = len(server.requests)
        with Http("test/1", QUICK) as http, pytest.raises(SourceUnavailable, match="larger than 100,000 bytes"):
            http.get(server.url)
        assert len(server.requests) == before + 1


def test_a_certificate_that_is_not_valid(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails at once: no number of tries mends a certificate."""
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
    """It says who it is, and leaves a pause between two requests."""
    server.say(good)
    sleeps = Sleeps()
    with Http("paperfeed/1 (me@example.org)", Patience(pause_seconds=3), sleep=sleeps) as http:
        http.get(server.url)
        http.get(server.url)
    assert server.requests[0][1]["User-Agent"] == "paperfeed/1 (me@example.org)"
    assert len(sleeps.seconds) == 1
    assert 2.5 < sleeps.seconds[0] <= 3


def test_a_body_that_another_try_may_better(server: WebServer) -> None:
    """The caller's check may ask for another try."""

    def check(body: bytes) -> None:
        if body != b"good":
            raise Passing("it is bad")

    server.say(lambda request: request.reply(b"bad"), good)
    with Http("test/1", QUICK, sleep=Sleeps()) as http:
        assert http.get(server.url, check=check) == b"good"
