"""Interceptor of all calls: assigns a request id, logs and counts the call, and converts errors to statuses."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc

from service.api.convert import parse_message
from service.api.status import abort, code_of
from service.app.counters import Counters
from service.domain.errors import PaperfeedError

REQUEST_ID_KEY = "x-request-id"
_log = logging.getLogger("paperfeed.calls")


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps the handlers of our services, but not those of health and reflection."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Wrap the handler of a call. Runs on the server's own thread, before the call gets a worker thread."""
        handler = continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or not path.startswith("/paperfeed."):
            return handler
        method = path.removeprefix("/paperfeed.v1.")
        metadata = dict(handler_call_details.invocation_metadata or ())
        call = _Call(method, metadata, self._counters)
        codecs: dict[str, Any] = {
            # grpcio would answer INTERNAL for bytes that are not a message; _Call answers INVALID_ARGUMENT.
            "request_deserializer": bytes,
            "response_serializer": handler.response_serializer,
        }
        parse = handler.request_deserializer or bytes
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(call.stream(handler.unary_stream, parse), **codecs)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(call.unary(handler.unary_unary, parse), **codecs)
        return handler


class _Call:
    """One call, from its request to its log line."""

    def __init__(self, method: str, metadata: dict[str, Any], counters: Counters) -> None:
        given = str(metadata.get(REQUEST_ID_KEY, ""))
        self._request_id = given if 0 < len(given) <= 64 and given.isprintable() else uuid.uuid4().hex
        self._method = method
        self._counters = counters
        self._started = time.perf_counter()
        self._begun = False

    def unary(
        self, handler: Callable[[Any, Any], Any], parse: Callable[[bytes], Any]
    ) -> Callable[[Any, grpc.ServicerContext], Any]:
        """Return the wrapped handler of a unary call."""

        def run(request: bytes, context: grpc.ServicerContext) -> Any:
            self._check_wanted(context)
            try:
                answer = handler(parse_message(request, parse), context)
                # Sent together with the answer: see _begin.
                context.set_trailing_metadata(((REQUEST_ID_KEY, self._request_id),))
                self._end(self._outcome(context))
            except Exception as error:
                self._fail(error, context)
            else:
                return answer

        return run

    def stream(
        self, handler: Callable[[Any, Any], Iterator[Any]], parse: Callable[[bytes], Any]
    ) -> Callable[[Any, grpc.ServicerContext], Any]:
        """Return the wrapped handler of a streaming call; errors during its iteration are converted too."""

        def run(request: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
            self._check_wanted(context)
            try:
                for answer in handler(parse_message(request, parse), context):
                    self._begin(context)
                    yield answer
                self._end(self._outcome(context))
            except GeneratorExit:
                # grpcio closes the generator if the client, the drain or a time limit has ended the stream.
                self._end("CANCELLED")
                raise
            except Exception as error:
                self._fail(error, context)

        return run

    def _check_wanted(self, context: grpc.ServicerContext) -> None:
        """End a call whose client disconnected, or whose deadline passed, while it waited in the queue."""
        if not context.is_active():
            self._end("CANCELLED")
            context.abort(grpc.StatusCode.CANCELLED, "the client no longer waits for the answer")

    @staticmethod
    def _outcome(context: grpc.ServicerContext) -> str:
        """Return the code to count for finished work; the client may have disconnected in the meantime."""
        return "OK" if context.is_active() else "CANCELLED"

    def _begin(self, context: grpc.ServicerContext) -> None:
        """Send the headers once, together with the first answer or error.

        If the server dies, a client's channel repeats a call only if it has received no headers. After headers the
        channel does not repeat a call that ended with an error, which would only add load.
        """
        if not self._begun:
            self._begun = True
            # grpcio raises if the client has disconnected.
            with contextlib.suppress(grpc.RpcError):
                context.send_initial_metadata(((REQUEST_ID_KEY, self._request_id),))

    def _fail(self, error: Exception, context: grpc.ServicerContext) -> NoReturn:
        if isinstance(error, PaperfeedError):
            self._end(code_of(error).name, reason=error.reason)
        else:
            self._end(code_of(error).name, reason="INTERNAL", bug=error)
        self._begin(context)
        abort(context, error, self._request_id)

    def _end(self, code: str, *, reason: str = "", bug: Exception | None = None) -> None:
        self._counters.count_call(self._method, code)
        milliseconds = (time.perf_counter() - self._started) * 1_000
        facts = {"request_id": self._request_id, "method": self._method, "code": code, "ms": round(milliseconds, 2)}
        level = logging.ERROR if bug else logging.INFO
        _log.log(level, "call", extra={"facts": facts | ({"reason": reason} if reason else {})}, exc_info=bug)
