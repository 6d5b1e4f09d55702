"""The gRPC server's life: built, started, drained."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn

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
# How long the last answers may take to reach slow clients once all calls are worked off. Streams that never end by
# themselves (Health/Watch) last as long.
ANSWER_SECONDS = 5.0
# Who has just got an answer may call again at once and shall hear UNAVAILABLE. So long without a call is quiet; it is
# not waited for longer than the maximum.
QUIET_SECONDS = 0.25
MAX_QUIET_SECONDS = 2.0
_log = logging.getLogger("paperfeed.server")


class _Gate(grpc.ServerInterceptor):
    """Lets our calls through until it is closed; then each gets UNAVAILABLE at once, without waiting for a worker.

    gRPC's own stop() gives CANCELLED, which clients do not retry, to calls that arrived and were not yet looked at.
    """

    def __init__(self) -> None:
        self._is_closed = False
        self._called_at = 0.0

        def refuse(_request: bytes, context: grpc.ServicerContext) -> NoReturn:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            raise AssertionError("abort raises")

        refuse.experimental_thread_pool = ThreadPoolExecutor(1, "refuse")  # type: ignore[attr-defined]
        self._refusal: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(refuse)

    def close(self) -> None:
        """From now on calls are refused."""
        self._is_closed = True

    def wait_until_quiet(self, seconds: float) -> None:
        """Returns when nobody has called for a moment, or after so long."""
        now = self._called_at = time.monotonic()
        end = now + seconds
        while (now := time.monotonic()) < min(end, self._called_at + QUIET_SECONDS):
            time.sleep(min(end, self._called_at + QUIET_SECONDS) - now)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Called on the server's own thread, in the order in which calls arrive."""
        if self._is_closed and handler_call_details.method.startswith("/paperfeed."):
            self._called_at = time.monotonic()
            return self._refusal
        return continuation(handler_call_details)


class _Workers(ThreadPoolExecutor):
    """Threads that know whether any call is at work or waiting for one of them."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "call")
        self._changed = threading.Condition()
        self._count = 0

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As the base class."""
        self._change(1)
        try:
            future = super().submit(call, *args, **kwargs)
        except RuntimeError:
            self._change(-1)
            raise
        future.add_done_callback(lambda _: self._change(-1))
        return future

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether nothing was left to do within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    def _change(self, by: int) -> None:
        with self._changed:
            self._count += by
            self._changed.notify_all()


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
        self._gate = _Gate()
        self._workers = _Workers(threads)
        self._server = grpc.server(
            self._workers,
            interceptors=[self._gate, interceptor],
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
        end = time.monotonic() + seconds
        self._health.enter_graceful_shutdown()
        self._gate.close()
        self._workers.wait_until_idle(seconds)
        self._gate.wait_until_quiet(min(max(end - time.monotonic(), 0.0), MAX_QUIET_SECONDS))
        self._server.stop(min(max(end - time.monotonic(), 0.0), ANSWER_SECONDS)).wait()
        _log.info("stopped")
