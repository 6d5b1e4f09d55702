"""What every call gets: a request id, a log line, a count, and errors as statuses."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from service.api.status import abort, code_of
from service.app.counters import Counters
from service.domain.errors import InvalidField, PaperfeedError

REQUEST_ID_KEY = "x-request-id"
_log = logging.getLogger("paperfeed.calls")


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps the handlers of our services; health and reflection pass untouched."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Called on the server's own thread for each call, before the call gets a worker thread."""
        handler = continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or not path.startswith("/paperfeed."):
            return handler
        method = path.removeprefix("/paperfeed.v1.")
        metadata = dict(handler_call_details.invocation_metadata or ())
        call = _Call(method, metadata, self._counters)
        codecs: dict[str, Any] = {
            # grpcio would answer INTERNAL for bytes that are no message: they are the caller's mistake.
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
    """One call's passage through the server."""

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
        """The handler of a unary call."""

        def run(request: bytes, context: grpc.ServicerContext) -> Any:
            self._check_wanted(context)
            try:
                answer = handler(_parsed(request, parse), context)
                # In one piece with the answer: see _begin.
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
        """The handler of a streaming call: its iteration, too, runs inside the try."""

        def run(request: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
            self._check_wanted(context)
            try:
                for answer in handler(_parsed(request, parse), context):
                    self._begin(context)
                    yield answer
                self._end(self._outcome(context))
            except GeneratorExit:
                # grpcio lets go of a stream that its client, the drain or our patience has ended.
                self._end("CANCELLED")
                raise
            except Exception as error:
                self._fail(error, context)

        return run

    def _check_wanted(self, context: grpc.ServicerContext) -> None:
        """Ends a call whose client went away, or whose deadline passed, while it waited for its turn."""
        if not context.is_active():
            self._end("CANCELLED")
            context.abort(grpc.StatusCode.CANCELLED, "nobody waits for the answer")

    @staticmethod
    def _outcome(context: grpc.ServicerContext) -> str:
        """Of a call whose work is done: its client may have gone meanwhile, or its deadline passed."""
        return "OK" if context.is_active() else "CANCELLED"

    def _begin(self, context: grpc.ServicerContext) -> None:
        """Sends the headers, once; not before there is an answer or an error.

        A client's channel repeats a call that the server's death cut off only if it has seen no headers. An error that
        we answer with is not repeated: it would come again, and the load with it.
        """
        if not self._begun:
            self._begun = True
            # It is refused where the caller has gone meanwhile.
            with contextlib.suppress(grpc.RpcError):
                context.send_initial_metadata(((REQUEST_ID_KEY, self._request_id),))

    def _fail(self, error: Exception, context: grpc.ServicerContext) -> NoReturn:
        code = code_of(error)
        if isinstance(error, PaperfeedError):
            self._end(code.name, reason=error.reason)
        else:
            self._end(code.name, reason="INTERNAL", level=logging.ERROR, error=error)
        self._begin(context)
        abort(context, error, self._request_id)

    def _end(self, code: str, *, reason: str = "", level: int = logging.INFO, error: Exception | None = None) -> None:
        self._counters.count_call(self._method, code)
        milliseconds = (time.perf_counter() - self._started) * 1_000
        facts = {"request_id": self._request_id, "method": self._method, "code": code, "ms": round(milliseconds, 2)}
        _log.log(level, "call", extra={"facts": facts | ({"reason": reason} if reason else {})}, exc_info=error)


def _parsed(request: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(request)
    except DecodeError as error:
        raise InvalidField("request", "is not a message of this RPC's type") from error
