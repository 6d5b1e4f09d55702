"""Connections of the web pages: a time limit for each request, and a limit on open connections.

uvicorn closes idle connections and answers 503 above ``limit_concurrency``, but it waits without end for the rest of a
request.
"""

import asyncio
import logging
from functools import partial
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mailer.config import MailSettings
from mailer.networks import Network, client_key, is_within, parse_networks

MAX_CONNECTIONS = 500
"""Requests on more open connections get 503. A process may commonly open 1,024 files."""
MAX_CONNECTIONS_OF_CLIENT = 50
"""Further connections of one client are closed at once, so that one client cannot use up ``MAX_CONNECTIONS``."""
MAX_HEAD_BYTES = 16 * 1024
"""Bytes of an incomplete head that are kept while the rest is awaited; more are answered with 400."""
_log = logging.getLogger("paperfeed.mail")


class LimitedConnection(H11Protocol):
    """An HTTP/1.1 connection that is closed if a request does not arrive in time.

    Args:
        request_seconds: Time from the first byte of a request, or from the opening of the connection, to its last byte.
        proxies: Addresses that may open any number of connections, as they serve many clients.
    """

    def __init__(self, *args: Any, request_seconds: float, proxies: tuple[Network, ...] = (), **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._request_seconds = request_seconds
        self._proxies = proxies
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as H11Protocol
        """Start the time limit of the first request, or close a connection that is one too many."""
        super().connection_made(transport)
        if self._is_one_too_many():
            transport.abort()
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the time limit."""
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handle the bytes and start or end the time limit."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Handle requests that arrived meanwhile, and start or end the time limit."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Start the time limit if a request has begun to arrive; end it if the request is complete.

        A response may be complete before its request is; the time limit then still holds.
        """
        state = self.conn.their_state
        if state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0]):
            self._start_deadline()
        else:
            self._end_deadline()

    def _start_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self._request_seconds, self._drop)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _drop(self) -> None:
        _log.debug("a client did not send its request in time")
        self.transport.abort()

    def _is_one_too_many(self) -> bool:
        host = _host_of(self)
        if is_within(host, self._proxies):
            return False
        key = client_key(host)
        count = sum(client_key(_host_of(each)) == key for each in self.connections)
        return count > MAX_CONNECTIONS_OF_CLIENT


def web_config(app: ASGIApp, settings: MailSettings) -> uvicorn.Config:
    """Return how uvicorn serves the web pages.

    Only the proxies of ``trusted_proxies`` may name the address and scheme of a client (X-Forwarded-For and -Proto).
    """
    proxies = parse_networks(settings.trusted_proxies)
    http = partial(LimitedConnection, request_seconds=settings.request_timeout_seconds, proxies=proxies)
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", http),
        ws="none",
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[str(network) for network in proxies],
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=10,
    )


def _host_of(connection: Any) -> str:
    return str(connection.client[0]) if connection.client else "unknown"
