"""A local web server whose answers a test defines, including failures that real sources have."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Request(BaseHTTPRequestHandler):
    """A request, as a test's ``answer`` gets it."""

    server: "WebServer"

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a complete answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def break_off(self) -> None:
        """Reset the connection in the middle of the answer."""
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
        """Log nothing."""


class WebServer(ThreadingHTTPServer):
    """The server. ``answer`` handles each request; ``requests`` holds the path and headers of each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answer: Callable[[Request], None] = lambda request: request.reply(b"")
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection, which some tests do on purpose."""

    def say(self, *answers: Callable[[Request], None]) -> None:
        """Use these answers one after another, and then the last one again."""
        rest = list(answers)

        def answer(request: Request) -> None:
            chosen = rest.pop(0) if len(rest) > 1 else rest[0]
            chosen(request)

        self.answer = answer


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Run a server on a free port."""
    server = WebServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
