"""Which calls are let in: those that can be answered soon. The others hear at once when to come again.

A call is refused as it arrives, on the server's own thread, before its message is read or a worker thread is asked:
what is refused must cost little, or a flood would leave no time for what is accepted. The caller's deadline is not
known there (grpcio shows it to handlers only); a call whose deadline passes while it waits is dropped unworked, by
grpcio.
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
"""Whoever asks how the server is must hear it when it is not well."""
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
"""Calls that may take seconds: they embed text, read much, or last as long as the client reads."""
METHODS = frozenset(
    f"/{service.full_name}/{method.name}"
    for file in (catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
# When the refused may come again, in turn: not all at once.
RETRY_SECONDS = (0.5, 1.1, 0.7, 1.3, 0.9, 1.5)
# Who has just got an answer may call again at once and shall hear UNAVAILABLE. So long without a call is quiet.
QUIET_SECONDS = 0.25
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Gate(grpc.ServerInterceptor):
    """Sends each of our calls into its lane, or away. Health, reflection and GetStatus always pass.

    Who is sent away gets no request id and no line in the log, but is counted.
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
        """From now on calls get UNAVAILABLE at once.

        gRPC's own stop() gives CANCELLED, which clients do not retry, to calls that arrived and were not yet looked at.
        """
        self._is_closed = True

    def wait_until_quiet(self, seconds: float) -> None:
        """Returns when nobody has called for a moment, or after so long."""
        now = self._called_at = time.monotonic()
        end = now + seconds
        while (now := time.monotonic()) < min(end, self._called_at + QUIET_SECONDS):
            time.sleep(min(end, self._called_at + QUIET_SECONDS) - now)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Called on the server's own thread, in the order in which calls arrive."""
        path = handler_call_details.method
        method = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX):
            handler = continuation(handler_call_details)
            return None if handler is None else self._passage.aside(handler, method)
        if self._is_closed:
            self._called_at = time.monotonic()
            return self._stopping
        # What does not exist is answered without work. Counted by name, it would let callers fill the memory.
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
    """A handler that ends each call so. It takes a stream, in name, so that grpcio does not wait for the message."""

    def refuse(_requests: object, context: grpc.ServicerContext) -> NoReturn:
        context.set_trailing_metadata(trailer)
        context.abort(code, message)
        raise AssertionError("abort raises")

    refuse.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return grpc.stream_unary_rpc_method_handler(refuse)
