"""Admission control: calls that cannot be answered soon are refused at once, with the time to retry.

A call is refused on arrival, on the server's own thread, before its message is read and without a worker thread. A
refusal must be cheap, or a flood of calls would leave no time for accepted ones. The caller's deadline is not known at
that point, because grpcio shows it to handlers only. If a deadline passes while a call waits, grpcio drops the call.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeAlias

import grpc

from paperfeed.v1 import catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2
from service.api.lanes import Lane
from service.api.passage import Passage
from service.api.status import packed
from service.app.counters import Counters
from service.domain.errors import Overloaded

PREFIX = "/paperfeed.v1."
STATUS_METHODS = "/paperfeed.v1.StatusService/"
"""These calls are always admitted, so that an overloaded server can still report its state."""
BULK_METHODS = frozenset(
    PREFIX + name
    for name in (
        "CatalogService/UpsertPapers",
        "FeedService/FindSimilarPapers",
        "FeedService/RankPapers",
        "FeedService/StreamFeeds",
        "ProfileService/ExportUser",
    )
)
"""Calls that may take seconds: they embed text, read much data, or last as long as the client reads."""
SERVICES = [
    service
    for file in (catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS = frozenset(f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods)
# Retry delays, used in turn so that refused clients do not all retry at the same time.
RETRY_SECONDS = (0.5, 1.1, 0.7, 1.3, 0.9, 1.5)
# During a drain, clients may send one more call, which must get UNAVAILABLE. The drain waits this long for it.
QUIET_SECONDS = 0.25
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Gate(grpc.ServerInterceptor):
    """Puts each call of our services into its queue, or refuses it. Health, reflection and GetStatus always pass.

    A refused call is counted, but has no request id and no log line.
    """

    def __init__(self, quick: Lane, bulk: Lane, passage: Passage, counters: Counters) -> None:
        self._quick = quick
        self._bulk = bulk
        self._passage = passage
        self._counters = counters
        self._is_closed = False
        self._called_at = 0.0
        pool = ThreadPoolExecutor(1, "refuse")
        self._stopping = _refusal(pool, grpc.StatusCode.UNAVAILABLE, "the server is stopping", ())
        self._overloaded = itertools.cycle(
            [_refusal(pool, *packed(Overloaded("calls", retry_after_seconds=seconds))) for seconds in RETRY_SECONDS]
        )

    def close(self) -> None:
        """Refuse all new calls with UNAVAILABLE.

        gRPC's own stop() ends calls that have arrived but not started with CANCELLED, which clients do not retry.
        """
        self._is_closed = True

    def wait_until_quiet(self, seconds: float) -> None:
        """Wait until no call has arrived for ``QUIET_SECONDS``, at most for ``seconds``."""
        now = self._called_at = time.monotonic()
        end = now + seconds
        while (now := time.monotonic()) < min(end, self._called_at + QUIET_SECONDS):
            time.sleep(min(end, self._called_at + QUIET_SECONDS) - now)

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Handler], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Admit or refuse a call. Runs on the server's own thread, in the order in which calls arrive."""
        path = handler_call_details.method
        method = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX):
            handler = continuation(handler_call_details)
            return None if handler is None else self._passage.aside(handler, method)
        if self._is_closed:
            self._called_at = time.monotonic()
            return self._stopping
        # Unknown methods are not counted: callers could fill the memory with made-up names.
        if path.startswith(STATUS_METHODS) or path not in METHODS:
            handler = continuation(handler_call_details)
            return None if handler is None else self._passage.aside(handler, method)
        lane = self._bulk if path in BULK_METHODS else self._quick
        if not lane.admits():
            self._counters.count_call(method, grpc.StatusCode.RESOURCE_EXHAUSTED.name)
            return next(self._overloaded)
        handler = continuation(handler_call_details)
        return None if handler is None else self._passage.in_turn(handler, method, lane)


def _refusal(
    pool: ThreadPoolExecutor, code: grpc.StatusCode, message: str, trailer: tuple[tuple[str, str | bytes], ...]
) -> Handler:
    """Return a handler that ends each call with this status.

    The handler is declared to take a stream of requests, so that grpcio does not wait for the message.
    """

    def refuse(_requests: object, context: grpc.ServicerContext) -> NoReturn:
        context.set_trailing_metadata(trailer)
        context.abort(code, message)
        raise AssertionError("abort raises")

    refuse.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return grpc.stream_unary_rpc_method_handler(refuse)
