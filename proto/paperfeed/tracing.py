"""Spans of calls, and their W3C Trace Context for the server, in programs that use OpenTelemetry.

This package does not depend on OpenTelemetry. A program that has not imported it records nothing, so nothing is done.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from opentelemetry.trace import Span

NAME = "paperfeed.client"
"""Name of the instrumentation scope."""


class TracedCall:
    """An RPC, blocking or of asyncio, that is called like the one that it wraps and records a span for each call.

    Args:
        path: Path of the method, such as ``/paperfeed.v1.FeedService/GetFeed``.
        returns_call: Whether calling the RPC returns at once: a stream, or a call of asyncio.
    """

    def __init__(self, rpc: Any, path: str, *, returns_call: bool) -> None:
        self._rpc = rpc
        self._method = path.removeprefix("/")
        self._returns_call = returns_call

    def __call__(self, request: Any, **options: Any) -> Any:
        """Call the RPC."""
        if self._returns_call:
            return self._started(self._rpc, request, options)
        return self._awaited(self._rpc, request, options)

    def with_call(self, request: Any, **options: Any) -> Any:
        """See ``grpc.UnaryUnaryMultiCallable``."""
        return self._awaited(self._rpc.with_call, request, options)

    def future(self, request: Any, **options: Any) -> Any:
        """See ``grpc.UnaryUnaryMultiCallable``."""
        return self._started(self._rpc.future, request, options)

    def _awaited(self, rpc: Callable[..., Any], request: Any, options: dict[str, Any]) -> Any:
        span = self._begin(options)
        if span is None:
            return rpc(request, **options)
        code = grpc.StatusCode.UNKNOWN
        try:
            answer = rpc(request, **options)
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            call: Any = error
            code = call.code()
            raise
        finally:
            _end(span, code)
        return answer

    def _started(self, rpc: Callable[..., Any], request: Any, options: dict[str, Any]) -> Any:
        span = self._begin(options)
        call = rpc(request, **options)
        if span is not None:
            call.add_done_callback(lambda done: _end(span, _code_of(done)))
        return call

    def _begin(self, options: dict[str, Any]) -> "Span | None":
        """Start a span, and add its context to the metadata; None if the program does not record traces."""
        if "opentelemetry.trace" not in sys.modules:
            return None
        from opentelemetry import propagate, trace  # noqa: PLC0415 -- imported by the program already

        span = trace.get_tracer(NAME).start_span(
            self._method,
            kind=trace.SpanKind.CLIENT,
            attributes={"rpc.system.name": "grpc", "rpc.method": self._method},
        )
        if not span.get_span_context().is_valid:
            return None
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(span))
        options["metadata"] = (*(options.get("metadata") or ()), *headers.items())
        return span


def _code_of(call: Any) -> grpc.StatusCode:
    code = call.code()
    # The calls of asyncio have a coroutine here, which needs no waiting once the call is done.
    if not isinstance(code, grpc.StatusCode):
        waiting = code
        try:
            waiting.send(None)
        except StopIteration as result:
            code = result.value
        finally:
            waiting.close()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _end(span: "Span", code: grpc.StatusCode) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 -- imported by the program already

    span.set_attribute("rpc.response.status_code", code.name)
    if code is not grpc.StatusCode.OK:
        span.set_attribute("error.type", code.name)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
