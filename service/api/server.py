"""The gRPC server's life: built, started, drained."""

import logging
from concurrent.futures import ThreadPoolExecutor

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
from service.api.catalog import CatalogServicer
from service.api.feeds import FeedServicer
from service.api.interceptors import CallInterceptor
from service.api.models import ModelServicer
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
_log = logging.getLogger("paperfeed.server")


class Server:
    """A gRPC server with health and reflection.

    Args:
        threads: Calls worked on at the same time.
        max_waiting_calls: Calls that may wait beyond those; more get RESOURCE_EXHAUSTED at once.
    """

    def __init__(
        self,
        *,
        catalog: CatalogServicer,
        profiles: ProfileServicer,
        feeds: FeedServicer,
        status: StatusServicer,
        interceptor: CallInterceptor,
        threads: int,
        max_waiting_calls: int,
    ) -> None:
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=threads, thread_name_prefix="call"),
            interceptors=[interceptor],
            maximum_concurrent_rpcs=threads + max_waiting_calls,
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                # Two servers on one port by accident would answer in turn; with --workers this becomes a choice.
                ("grpc.so_reuseport", 0),
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
        self._health.enter_graceful_shutdown()
        self._server.stop(seconds).wait()
        _log.info("stopped")
