"""A small HTTP server for probes and metrics on a port of its own."""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6, SHUT_RDWR
from socketserver import TCPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

CLIENTS = 8
"""Connections at a time. For one more, the oldest is closed, so that idle clients cannot keep probes out."""
THREADS = 32
"""Threads at a time; further connections are closed at once. A page that is being made keeps its thread."""
CLIENT_SECONDS = 10.0
"""A client that sends or reads nothing for this time is disconnected."""
Page: TypeAlias = Callable[[str], tuple[int, str, bytes]]
"""Returns status, content type and body for the value of the header Accept."""
_log = logging.getLogger("paperfeed.telemetry")


class HttpPort:
    """A server of fixed pages, in threads of its own. It serves from its construction to ``close``.

    Args:
        port: 0 takes a free port.
        pages: Pages by path.

    Raises:
        OSError: The port cannot be used.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        self._server = _Server(host, port, pages)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        self.pages = pages
        self._lock = threading.Lock()
        # Oldest first.
        self._open: list[Any] = []
        self._room = threading.BoundedSemaphore(THREADS)
        if ":" in host:
            self.address_family = AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # The method of HTTPServer also looks the host's name up, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        with self._lock:
            oldest = self._open.pop(0) if len(self._open) >= CLIENTS else None
            self._open.append(request)
            if oldest is not None:
                # Its thread finds the end of the connection, and closes it.
                with contextlib.suppress(OSError):
                    oldest.shutdown(SHUT_RDWR)
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            # No thread could be started.
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def _forget(self, request: Any) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._open.remove(request)
        self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        _log.debug("a client of the metrics port failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "paperfeed", ""
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        page = self.server.pages.get(urlsplit(self.path).path)
        if page is None:
            self.send_error(404)
            return
        try:
            status, content_type, body = page(self.headers.get("Accept", ""))
        except Exception:  # noqa: BLE001 -- the client gets a status, and the log the error
            _log.exception("a page of the metrics port failed")
            self.send_error(500)
            return
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: probes ask every few seconds."""
