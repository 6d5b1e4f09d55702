"""A web server on loopback that answers as a test tells it to, and misbehaves in every way that sources do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Request(BaseHTTPRequestHandler):
    """One request; what a test's ``answer`` gets."""

    server: "WebServer"

    @property
    def query(self) -> dict[str, str]:
        """Its parameters."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def break_off(self) -> None:
        """The connection is reset in the middle of whatever was being said."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.close()
        self.close_connection = True

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        try:
            self.server.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class WebServer(ThreadingHTTPServer):
    """Attributes: ``answer``, called for each request; ``requests``, what came (path and headers)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answer: Callable[[Request], None] = lambda request: request.reply(b"")
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what some tests are about."""

    def say(self, *answers: Callable[[Request], None]) -> None:
        """One answer after another; the last one again and again."""
        rest = list(answers)

        def answer(request: Request) -> None:
            chosen = rest.pop(0) if len(rest) > 1 else rest[0]
            chosen(request)

        self.answer = answer


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A server on a free port."""
    server = WebServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
