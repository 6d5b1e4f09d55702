"""How a call passes from its client to a handler and back: no client holds a turn, or a thread for long, by being slow.

To grpcio every handler made here takes a stream of requests. Then grpcio calls it at once, instead of waiting for the
message by itself without end, and the handler reads the message where it can be cancelled. On the wire it is the same.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from service.api.lanes import PATIENCE_SECONDS, Lane
from service.api.patience import Patience
from service.app.counters import Counters

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Requests: TypeAlias = Iterator[Any]


class Passage:
    """Makes handlers of handlers.

    Args:
        lanes: Whose turns are lent while calls wait for their messages.
        silence_seconds: A request's message may come so long after its headers.
        stall_seconds: A client may take so long to make room for the next message of a stream.
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
        """Clients may take their time from now on; for the end."""
        self._closed.set()
        self._silence.close()
        self._stall.close()

    def _lend(self) -> None:
        while not self._closed.wait(PATIENCE_SECONDS):
            for lane in self._lanes:
                lane.lend()

    def in_turn(self, handler: Handler, method: str, lane: Lane) -> Handler:
        """For one of our calls: works on threads of the lane, in its turn.

        Answers are serialized in the turn too: threads that did it beside the others' work cost a tenth of all calls.
        """
        serialize = handler.response_serializer or bytes
        if handler.unary_stream is not None:
            # Any: grpcio reads the attribute that is set below.
            behavior: Any = self._streaming_in_turn(handler.unary_stream, serialize, method, lane)
            make: Any = grpc.stream_stream_rpc_method_handler
        else:
            behavior = self._unary_in_turn(handler.unary_unary, serialize, method, lane)
            make = grpc.stream_unary_rpc_method_handler
        behavior.experimental_thread_pool = lane
        return make(behavior, handler.request_deserializer, None)  # type: ignore[no-any-return]

    def aside(self, handler: Handler, method: str) -> Handler:
        """For health, reflection and GetStatus: no turns, and threads of their own."""
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
                parsed = parse(request)
            except DecodeError:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "request: is not a message of this RPC's type")
            return inner(parsed, context, *send)

        if handler.unary_unary is not None:
            return grpc.stream_unary_rpc_method_handler(run, bytes, handler.response_serializer)
        # Health/Watch sends when there is something to tell, and holds no thread until then.
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
                    # A turn for each message: while the client takes it, others work.
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
            # It went away, was silent for too long, or its deadline has passed.
            self._counters.count_call(method, grpc.StatusCode.CANCELLED.name)
            raise
        if request is None:
            # grpcio may tell the end of what it reads before it tells that we cancelled the call.
            code = grpc.StatusCode.CANCELLED if wait.is_lost else grpc.StatusCode.UNIMPLEMENTED
            self._counters.count_call(method, code.name)
            context.abort(code, "the call needs exactly one request message")
        return request
