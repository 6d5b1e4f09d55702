"""The gRPC server on an event loop of its own: construction, start and graceful shutdown."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from paperfeed.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feed_pb2,
    feed_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)
from service.api.callers.exposure import UNIX
from service.api.callers.reflection import GuardedReflection
from service.api.catalog import CatalogServicer
from service.api.feeds import FeedServicer
from service.api.handlers import Handlers
from service.api.health import NAME as HEALTH_NAME
from service.api.health import Health
from service.api.models import ModelServicer
from service.api.profiles import ProfileServicer
from service.api.status_service import StatusServicer
from service.domain.errors import InvalidField

NAMES = tuple(
    service.full_name
    for file in (catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)
# The largest request, RankPapers with 4 MB of text, takes about half of it.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_ANSWER_BYTES = 32 * 1024 * 1024
# Time limit for sending the last answers to slow clients after all calls have finished.
ANSWER_SECONDS = 5.0
# The services whose health says whether feeds are ranked as they should be. "" is the server as a whole, which probes
# and balancers ask for.
READINESS_NAMES = ("", feed_pb2.DESCRIPTOR.services_by_name["FeedService"].full_name)
READINESS_SECONDS = 1.0
ALIVE_SECONDS = 5.0
"""A server whose event loop does not answer within this time is not alive."""
# During a drain, clients may send one more call, which must get UNAVAILABLE. The drain waits until none has arrived for
# QUIET_SECONDS, at most for MAX_QUIET_SECONDS.
QUIET_SECONDS = 0.25
MAX_QUIET_SECONDS = 2.0
# The longest time that gRPC takes: 24 days.
MAX_CONNECTION_SECONDS = 2**31 // 1_000
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
    # Further calls on a connection wait in the client. With a smaller limit, calls of a large burst would be cut off,
    # because the server counts calls for a moment after the client has seen them end.
    ("grpc.max_concurrent_streams", 4_096),
    # By default, grpcio cancels calls of a burst at random when 1,000 have arrived but are not yet handled.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    # The server pings a silent client after 30 seconds, and cancels its calls after 20 more without an answer.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Clients may ping every five seconds. By default, grpcio closes the connection of a client that pings more often
    # than every five minutes.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)
Result = TypeVar("Result")
_log = logging.getLogger("paperfeed.server")


@dataclass(frozen=True)
class Port:
    """Properties of the port that a server listens on.

    Attributes:
        is_shared: Whether other processes listen on the same port.
        credentials: Certificates of the server; None serves without TLS.
        connection_seconds: Time after which a connection is replaced by a new one, between calls.
    """

    is_shared: bool = False
    credentials: grpc.ServerCredentials | None = None
    connection_seconds: int = MAX_CONNECTION_SECONDS


class Server:
    """A gRPC server with health and reflection. Call ``start`` and then ``drain``, each once, from another thread.

    Args:
        handlers: Have the methods of the servicers, and run their calls.
        is_ready: Says whether feeds are ranked as they should be. While it is False, the health of FeedService and of
            the server as a whole is NOT_SERVING; all calls are still answered.
        port: Properties of the port.
    """

    def __init__(
        self,
        *,
        catalog: CatalogServicer,
        profiles: ProfileServicer,
        feeds: FeedServicer,
        models: ModelServicer,
        status: StatusServicer,
        handlers: Handlers,
        health: Health,
        is_ready: Callable[[], bool],
        port: Port,
    ) -> None:
        self._credentials = port.credentials
        self._handlers = handlers
        # Only with --workers may several processes listen on one port; otherwise a second server must fail.
        self._options = (
            *OPTIONS,
            ("grpc.so_reuseport", int(port.is_shared)),
            ("grpc.max_connection_age_ms", port.connection_seconds * 1_000),
        )
        # The generated functions are not typed for grpc.aio; of a server they call two methods, which Handlers has.
        registry: Any = handlers
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, registry)
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(profiles, registry)
        feed_pb2_grpc.add_FeedServiceServicer_to_server(feeds, registry)
        model_pb2_grpc.add_ModelServiceServicer_to_server(models, registry)
        status_pb2_grpc.add_StatusServiceServicer_to_server(status, registry)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._health = health
        self._is_ready = is_ready
        self._readiness: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server | None = None

    def start(self, host: str, port: int) -> int:
        """Start to serve and return the port.

        Args:
            host: Address, name, or ``unix:PATH``, which has no port.

        Raises:
            InvalidField: The server cannot listen on the address.
        """
        self._thread.start()
        if host.startswith(UNIX):
            return self._run(self._start(host))
        return self._run(self._start(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))

    def is_alive(self) -> bool:
        """Whether the event loop, which handles all calls, answers within some seconds."""
        answered = threading.Event()
        try:
            self._loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            # The loop is closed.
            return False
        return answered.wait(ALIVE_SECONDS)

    def drain(self, seconds: float) -> None:
        """Refuse new calls with UNAVAILABLE, wait up to ``seconds`` for accepted calls, then stop the server."""
        _log.info("draining", extra={"facts": {"seconds": seconds}})
        cut = self._run(self._drain(seconds))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._handlers.close()
        if cut:
            _log.warning("accepted calls were cut: they did not end in time", extra={"facts": {"calls": cut}})
        _log.info("stopped")

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self, address: str) -> int:
        server = grpc.aio.server(handlers=[self._handlers, self._health], options=self._options)
        names = (*NAMES, HEALTH_NAME, reflection.SERVICE_NAME)
        add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add(GuardedReflection(names, self._handlers.gate, self._handlers.slow_clients), server)
        try:
            if self._credentials is None:
                bound = server.add_insecure_port(address)
            else:
                bound = server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise InvalidField("port", f"cannot listen on {address}; is another server there?") from error
        self._health.show(dict.fromkeys(NAMES, HealthCheckResponse.SERVING))
        self._show_readiness()
        await server.start()
        self._server = server
        self._readiness = asyncio.create_task(self._follow_readiness())
        return int(bound)

    async def _follow_readiness(self) -> None:
        while True:
            await asyncio.sleep(READINESS_SECONDS)
            self._show_readiness()

    def _show_readiness(self) -> None:
        state = HealthCheckResponse.SERVING if self._is_ready() else HealthCheckResponse.NOT_SERVING
        self._health.show(dict.fromkeys(READINESS_NAMES, state))

    async def _drain(self, seconds: float) -> int:
        """See ``drain``; return the number of calls that were cut off."""
        if self._server is None or self._readiness is None:
            return 0
        self._readiness.cancel()
        end = time.monotonic() + seconds
        self._health.show(dict.fromkeys(("", *NAMES), HealthCheckResponse.NOT_SERVING))
        self._handlers.refuse_all()
        await self._handlers.wait_until_idle(seconds)
        cut = self._handlers.count
        await self._handlers.wait_until_quiet(QUIET_SECONDS, min(end - time.monotonic(), MAX_QUIET_SECONDS))
        self._health.end()
        await self._server.stop(min(max(end - time.monotonic(), 0.0), ANSWER_SECONDS))
        return cut
