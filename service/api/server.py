"""The gRPC server's life: built, started, drained."""

import logging
import time
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

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
from service.api.admission import Gate
from service.api.catalog import CatalogServicer
from service.api.feeds import FeedServicer
from service.api.interceptors import CallInterceptor
from service.api.lanes import MAX_HELD, Lane
from service.api.models import ModelServicer
from service.api.passage import Passage
from service.api.profiles import ProfileServicer
from service.api.status_service import StatusServicer
from service.domain.errors import InvalidField

# Larger than any allowed request (4 MB of inline text), so that one too large gets an answer that names the field.
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
SERVICES = {
    name: file.DESCRIPTOR.services_by_name[name].full_name
    for name, file in {
        "CatalogService": catalog_pb2,
        "ProfileService": profile_pb2,
        "FeedService": feed_pb2,
        "ModelService": model_pb2,
        "StatusService": status_pb2,
    }.items()
}
# How long the last answers may take to reach slow clients once all calls are worked off. Streams that never end by
# themselves (Health/Watch) last as long.
ANSWER_SECONDS = 5.0
# Callers may come again at once, to hear that the server is stopping; a quiet moment is not waited for any longer.
MAX_QUIET_SECONDS = 2.0
# Threads for health, reflection and GetStatus, which must not wait behind other calls. Health/Watch holds none.
# Nobody lends a turn there, so there are as many more as may wait for silent clients; they are made when needed.
SIDE_THREADS = 4 + MAX_HELD
# How long a connection may be still before the client is asked whether it is there, and how long it may take to say so.
KEEPALIVE_MILLISECONDS = 30_000
KEEPALIVE_TIMEOUT_MILLISECONDS = 20_000
# Calls that may wait for their refusal, which is quick. Beyond that gRPC itself ends them, without details.
MAX_REFUSALS = 1_000
_log = logging.getLogger("paperfeed.server")


class Server:
    """A gRPC server with health and reflection.

    Args:
        lanes: Where our calls are worked on.
        passage: Between clients and handlers.
        gate: Sends them there, or away.
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
                # A client that the network cut off is given up within a minute, and with it its calls.
                ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
                ("grpc.http2.max_pings_without_data", 0),
                # Two servers on one port by accident would answer in turn; with --workers this is a choice.
                ("grpc.so_reuseport", int(port_is_shared)),
            ],
        )
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, self._server)
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(profiles, self._server)
        feed_pb2_grpc.add_FeedServiceServicer_to_server(feeds, self._server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(), self._server)
        status_pb2_grpc.add_StatusServiceServicer_to_server(status, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES.values(), health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    def start(self, host: str, port: int) -> int:
        """Begins to serve; gives the port.

        Raises:
            InvalidField: The address cannot be listened on.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise InvalidField("port", f"cannot listen on {address}; is another server there?") from error
        self._server.start()
        for name in ("", *SERVICES.values()):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("serving", extra={"facts": {"port": bound}})
        return int(bound)

    def drain(self, seconds: float) -> None:
        """Refuses new calls with UNAVAILABLE, lets accepted ones end for so long, then stops."""
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
