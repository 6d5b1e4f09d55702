"""Handlers that wait for slow clients without blocking other calls.

All handlers made here are declared to take a stream of requests. So grpcio calls them at once instead of waiting for
the message without a limit, and the handler reads the message itself, where the wait can be cancelled. The wire format
is the same.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import grpc

from service.api.convert import parse_message
from service.api.lanes import PATIENCE_SECONDS, Lane
from service.api.patience import Patience
from service.api.status import abort
from service.app.counters import Counters
from service.domain.errors import InvalidField

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Requests: TypeAlias = Iterator[Any]


class Passage:
    """Wraps handlers so that slow clients block no other calls.

    Args:
        lanes: Queues whose calls lend their turns while they wait for messages.
        silence_seconds: Time limit for a request's message after its headers.
        stall_seconds: Time limit for a client to take a message of a stream.
    """

    def __init__(
        self, counters: Counters, lanes: Sequence[Lane], *, silence_seconds: float, stall_seconds: float
    ) -> None:
        self._counters = counters
        self._lanes = lanes
        self._closed = threading.Event()
        threading.Thread(target=self._lend, name="lend", daemon=True).start()
        self._silence = Patience("to send its message", silence_seconds)
        self._stall = Patience("to take a message", stall_seconds)

    def close(self) -> None:
        """Stop the background threads; time limits no longer apply."""
        self._closed.set()
        self._silence.close()
        self._stall.close()

    def _lend(self) -> None:
        while not self._closed.wait(PATIENCE_SECONDS):
            for lane in self._lanes:
                lane.lend()

    def in_turn(self, handler: Handler, method: str, lane: Lane) -> Handler:
        """Return a handler that runs in a turn on the worker threads of ``lane``.

        It serializes answers within the turn too; serializing them outside reduces throughput by a tenth.
        """
        serialize = handler.response_serializer or bytes
        if handler.unary_stream is not None:
            # Any, because an attribute is set below, which grpcio reads.
            behavior: Any = self._streaming_in_turn(handler.unary_stream, serialize, method, lane)
            make: Any = grpc.stream_stream_rpc_method_handler
        else:
            behavior = self._unary_in_turn(handler.unary_unary, serialize, method, lane)
            make = grpc.stream_unary_rpc_method_handler
        behavior.experimental_thread_pool = lane
        return make(behavior, handler.request_deserializer, None)  # type: ignore[no-any-return]

    def aside(self, handler: Handler, method: str) -> Handler:
        """Return a handler for health, reflection and GetStatus, which run on threads of their own without turns."""
        if handler.stream_stream is not None:
            conversation = self._conversation(handler.stream_stream, method)
            return grpc.stream_stream_rpc_method_handler(
                conversation, handler.request_deserializer, handler.response_serializer
            )
        inner: Any = handler.unary_unary or handler.unary_stream
        parse = handler.request_deserializer or bytes

        def run(requests: Requests, context: grpc.ServicerContext, *send: Callable[[Any], None]) -> Any:
            request = self._message(requests, context, method)
            try:
                parsed = parse_message(request, parse)
            except InvalidField as error:
                abort(context, error, incident="")
            return inner(parsed, context, *send)

        if handler.unary_unary is not None:
            return grpc.stream_unary_rpc_method_handler(run, bytes, handler.response_serializer)
        # Health/Watch holds no thread while it has nothing to send.
        watch: Any = run
        watch.experimental_non_blocking = getattr(inner, "experimental_non_blocking", False)
        return grpc.stream_stream_rpc_method_handler(watch, bytes, handler.response_serializer)

    def _unary_in_turn(self, handler: Any, serialize: Any, method: str, lane: Lane) -> Callable[..., Any]:
        def run(requests: Requests, context: grpc.ServicerContext) -> Any:
            with lane.for_message():
                request = self._message(requests, context, method)
            return serialize(handler(request, context))

        return run

    def _streaming_in_turn(self, handler: Any, serialize: Any, method: str, lane: Lane) -> Callable[..., Any]:
        def run(requests: Requests, context: grpc.ServicerContext) -> Iterator[Any]:
            with lane.for_message():
                request = self._message(requests, context, method)
            with contextlib.closing(handler(request, context)) as answers:
                for answer in map(serialize, answers):
                    # Each message gets a turn of its own; while the client takes it, other calls run.
                    with lane.apart(), self._stall.with_client(context, method):
                        yield answer

        return run

    def _conversation(self, handler: Any, method: str) -> Callable[..., Any]:
        def each(requests: Requests, context: grpc.ServicerContext) -> Iterator[Any]:
            while True:
                with self._silence.with_client(context, method):
                    request = next(requests, None)
                if request is None:
                    return
                yield request

        def run(requests: Requests, context: grpc.ServicerContext) -> Iterator[Any]:
            for answer in handler(each(requests, context), context):
                with self._stall.with_client(context, method):
                    yield answer

        return run

    def _message(self, requests: Requests, context: grpc.ServicerContext, method: str) -> Any:
        try:
            with self._silence.with_client(context, method) as wait:
                request = next(requests, None)
        except grpc.RpcError:
            # The client disconnected or was silent for too long, or the deadline has passed.
            self._counters.count_call(method, grpc.StatusCode.CANCELLED.name)
            raise
        if request is None:
            # After a cancellation by the server, grpcio may report the end of the stream first.
            code = grpc.StatusCode.CANCELLED if wait.is_lost else grpc.StatusCode.UNIMPLEMENTED
            self._counters.count_call(method, code.name)
            context.abort(code, "the call needs exactly one request message")
        return request
