"""The gRPC server: construction, start and graceful shutdown."""

import logging
import time
from collections.abc import Sequence
from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from paperfeed.v1 import catalog_pb2_grpc, feed_pb2_grpc, model_pb2_grpc, profile_pb2_grpc, status_pb2_grpc
from service.api.admission import SERVICES, Gate
from service.api.catalog import CatalogServicer
from service.api.feeds import FeedServicer
from service.api.interceptors import CallInterceptor
from service.api.lanes import MAX_HELD, Lane
from service.api.passage import Passage
from service.api.profiles import ProfileServicer
from service.api.status_service import StatusServicer
from service.domain.errors import InvalidField, Unsupported

# Larger than any allowed request (4 MB of inline text), so that a larger one gets an error that names the field.
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
NAMES = tuple(service.full_name for service in SERVICES)
# Time limit for sending the last answers to slow clients after all calls have finished. Streams without an end, such as
# Health/Watch, are ended after it.
ANSWER_SECONDS = 5.0
# Clients may call again during a drain and must be told that the server is stopping. Time limit of that phase.
MAX_QUIET_SECONDS = 2.0
# Worker threads for health, reflection and GetStatus, which must not wait behind other calls. Health/Watch holds no
# thread. The number includes MAX_HELD threads that may wait for silent clients; threads are started when needed.
SIDE_THREADS = 4 + MAX_HELD
# Time without traffic after which the server pings a client, and time limit for the answer to the ping.
KEEPALIVE_MILLISECONDS = 30_000
KEEPALIVE_TIMEOUT_MILLISECONDS = 20_000
# Number of calls that may wait for their refusal. gRPC itself ends further calls, without details.
MAX_REFUSALS = 1_000
_log = logging.getLogger("paperfeed.server")


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Answers every RPC with UNIMPLEMENTED: the service is declared but not implemented."""

    def _unsupported(self, request: object, context: grpc.ServicerContext) -> NoReturn:
        raise Unsupported("the model registry")

    ListModels = GetModel = PromoteModel = RollbackModel = _unsupported


class Server:
    """A gRPC server with health and reflection.

    Args:
        lanes: Queues with the worker threads of our calls.
        passage: Waits for slow clients on behalf of handlers.
        gate: Admits calls to the queues, or refuses them.
        port_is_shared: Whether other processes listen on the same port.
    """

    def __init__(
        self,
        *,
        catalog: CatalogServicer,
        profiles: ProfileServicer,
        feeds: FeedServicer,
        status: StatusServicer,
        gate: Gate,
        interceptor: CallInterceptor,
        lanes: Sequence[Lane],
        passage: Passage,
        port_is_shared: bool,
    ) -> None:
        self._health = health.HealthServicer()
        self._gate = gate
        self._lanes = lanes
        self._passage = passage
        self._side = Lane("side", SIDE_THREADS, MAX_REFUSALS)
        self._server = grpc.server(
            self._side,
            interceptors=[gate, interceptor],
            maximum_concurrent_rpcs=sum(lane.most for lane in lanes) + MAX_REFUSALS,
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                # The calls of a client that lost its network connection are cancelled within a minute.
                ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
                ("grpc.http2.max_pings_without_data", 0),
                # Only with --workers may several processes listen on one port; otherwise a second server must fail.
                ("grpc.so_reuseport", int(port_is_shared)),
            ],
        )
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, self._server)
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(profiles, self._server)
        feed_pb2_grpc.add_FeedServiceServicer_to_server(feeds, self._server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(), self._server)
        status_pb2_grpc.add_StatusServiceServicer_to_server(status, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    def start(self, host: str, port: int) -> int:
        """Start to serve and return the port.

        Raises:
            InvalidField: The server cannot listen on the address.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise InvalidField("port", f"cannot listen on {address}; is another server there?") from error
        self._server.start()
        for name in ("", *NAMES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("serving", extra={"facts": {"port": bound}})
        return int(bound)

    def drain(self, seconds: float) -> None:
        """Refuse new calls with UNAVAILABLE, wait up to ``seconds`` for accepted calls, then stop the server."""
        _log.info("draining", extra={"facts": {"seconds": seconds}})
        end = time.monotonic() + seconds
        self._health.enter_graceful_shutdown()
        self._gate.close()
        for lane in (*self._lanes, self._side):
            lane.wait_until_idle(max(end - time.monotonic(), 0.0))
        self._gate.wait_until_quiet(min(max(end - time.monotonic(), 0.0), MAX_QUIET_SECONDS))
        cut = sum(lane.count for lane in self._lanes)
        self._server.stop(min(max(end - time.monotonic(), 0.0), ANSWER_SECONDS)).wait()
        self._passage.close()
        if cut:
            _log.warning("accepted calls were cut: they did not end in time", extra={"facts": {"calls": cut}})
        _log.info("stopped")
