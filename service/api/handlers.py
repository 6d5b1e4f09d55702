"""Handlers of our RPCs as coroutines of grpc.aio: they read the request, wait for a worker thread, and send the answer.

All handlers are declared to take a stream of requests, so that grpcio calls them at once and they can limit the time in
which the message must arrive. They read exactly one message; on the wire nothing differs.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from service.api.callers.audit import CallAudit
from service.api.callers.gate import Gate
from service.api.calls import Call, SlowClients
from service.api.convert import parse_message
from service.api.queues import CallQueue, Work
from service.app.counters import Counters
from service.app.ranking.candidate_sets import BeingPlaced
from service.domain.errors import InvalidField, PermissionDenied, ServerStopping

PREFIX = "/paperfeed.v1."
STATUS_METHODS = f"{PREFIX}StatusService/"
BULK_METHODS = frozenset(
    PREFIX + name
    for name in (
        "CatalogService/SearchPapers",
        "CatalogService/UpsertPapers",
        "FeedService/ExplainPaper",
        "FeedService/FindSimilarPapers",
        "FeedService/RankPapers",
        "FeedService/StreamFeeds",
        "ModelService/RegisterModel",
        "ProfileService/ExportUser",
    )
)
"""Calls that may take seconds: they embed text, read much data, or last as long as the client reads."""
# Threads for GetStatus, which is never refused and must not wait behind other calls.
STATUS_THREADS = 2
# A thread computes this many answers of a stream, or as many as it can in this time, before it takes the next call.
ANSWERS_AT_ONCE = 32
TURN_SECONDS = 0.02
# Larger requests are run alone: finding their kind would parse them on the thread of the event loop.
MAX_BYTES_TOGETHER = 64 * 1024
Answer = TypeVar("Answer")
Method = Any
"""An RPC's handler as the generated code registers it: ``grpc.RpcMethodHandler``."""


@dataclass(frozen=True)
class Together:
    """How several calls of one method are run as one job.

    Attributes:
        kind: Returns the kind of a request. Requests of one kind may be run together; one of kind None is run alone.
        make: Returns the answers of several requests of one kind.
    """

    kind: Callable[[Any], Hashable]
    make: Callable[[Sequence[Any]], Sequence[Message]]


class Handlers(grpc.GenericRpcHandler):
    """The handlers of all our RPCs. Their servicers' methods run on the threads of the call's queue.

    Args:
        quick: Queue of short calls.
        bulk: Queue of the calls in ``BULK_METHODS``.
        gate: Identifies the callers and admits their calls.
        audit: Notes admin calls and deletions.
        together: By path, the methods whose waiting calls may be run together.
        slow_clients: Limits for clients that send or take nothing.
    """

    def __init__(
        self,
        counters: Counters,
        quick: CallQueue,
        bulk: CallQueue,
        together: Mapping[str, Together],
        *,
        gate: Gate,
        audit: CallAudit,
        slow_clients: SlowClients,
    ) -> None:
        self._counters = counters
        self._quick = quick
        self._bulk = bulk
        self._aside = CallQueue("status", threads=STATUS_THREADS, max_waiting=sys.maxsize)
        self._together = together
        self.gate = gate
        """Identifies callers, also those of reflection."""
        self._audit = audit
        self.slow_clients = slow_clients
        """Limits for clients, also those of reflection."""
        self._handlers: dict[str, Method] = {}
        self._refuses = False
        self._has_come = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.count = 0
        """Number of calls that are not answered, without those of GetStatus."""

    def add_registered_method_handlers(self, service: str, methods: Mapping[str, Method]) -> None:
        """Register the methods of a servicer. The generated ``add_..._to_server`` functions call this."""
        for name, method in methods.items():
            path = f"/{service}/{name}"
            if method.unary_unary is not None:
                self._handlers[path] = grpc.stream_unary_rpc_method_handler(self._unary(path, method))
            else:
                self._handlers[path] = grpc.stream_stream_rpc_method_handler(self._streaming(path, method))

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore the second form in which the generated code registers the same methods."""

    def service(self, handler_call_details: Any) -> Method | None:
        """Return the handler of a method; None for an unknown method."""
        return self._handlers.get(handler_call_details.method)

    def refuse_all(self) -> None:
        """Refuse all new calls with UNAVAILABLE."""
        self._refuses = True

    async def wait_until_idle(self, seconds: float) -> None:
        """Wait until all calls have ended, at most for ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_idle.wait(), seconds)

    async def wait_until_quiet(self, quiet_seconds: float, seconds: float) -> None:
        """Wait until no call has come for ``quiet_seconds``, at most for ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._has_come.clear()
                    await asyncio.wait_for(self._has_come.wait(), quiet_seconds)

    def close(self) -> None:
        """End the threads of all queues when their calls have ended."""
        for queue in (self._quick, self._bulk, self._aside):
            queue.close()
        self._audit.close()

    def _queue_of(self, path: str) -> CallQueue:
        if path.startswith(STATUS_METHODS):
            return self._aside
        return self._bulk if path in BULK_METHODS else self._quick

    def _unary(self, path: str, method: Method) -> Callable[..., Any]:
        queue, together = self._queue_of(path), self._together.get(path, Together(lambda _: None, lambda _: ()))
        parse, serialize = method.request_deserializer, method.response_serializer
        make = self._audit.unary(path.removeprefix(PREFIX), method.unary_unary)

        def alone(argument: tuple[bytes, Call]) -> bytes:
            data, call = argument
            return bytes(serialize(make(parse_message(data, parse), call)))

        def make_together(arguments: Sequence[tuple[bytes, Call]]) -> list[bytes]:
            return [serialize(answer) for answer in together.make([parse(data) for data, _ in arguments])]

        def kind_of(data: bytes) -> Hashable:
            if path not in self._together or len(data) > MAX_BYTES_TOGETHER:
                return None
            kind = together.kind(parse_message(data, parse))
            return None if kind is None else (path, kind)

        work = Work(alone, make_together)

        async def answer(call: Call, context: Any) -> bytes:
            data = await self._message(call, context, queue)
            while True:
                try:
                    made: bytes = await queue.run(work, (data, call), kind=kind_of(data), size=len(data))
                except BeingPlaced as placing:
                    # No worker thread waits while a large digest is prepared.
                    await asyncio.wrap_future(placing.done)
                else:
                    call.succeed()
                    return made

        async def run(_requests: object, context: Any) -> bytes | None:
            call = Call(path.removeprefix(PREFIX), context, self._counters)
            return await self._handled(path, call, answer(call, context))

        return run

    def _streaming(self, path: str, method: Method) -> Callable[..., Any]:
        queue = self._queue_of(path)
        parse, serialize = method.request_deserializer, method.response_serializer
        make = self._audit.stream(path.removeprefix(PREFIX), method.unary_stream)

        async def answer(call: Call, context: Any) -> None:
            data = await self._message(call, context, queue)
            size = len(data)

            def begin(data: bytes) -> Iterator[bytes]:
                return map(serialize, make(parse_message(data, parse), call))

            answers = await queue.run(Work(begin), data, size=size)
            # Each part is a separate job in the queue. While the client reads, the stream holds no thread.
            while (part := await queue.run(Work(_next_part), answers, size=size)).answers:
                await call.send_headers()
                for each in part.answers:
                    await self.slow_clients.write(context, each)
                if part.error is not None:
                    raise part.error
            call.succeed()

        async def run(_requests: object, context: Any) -> None:
            call = Call(path.removeprefix(PREFIX), context, self._counters)
            await self._handled(path, call, answer(call, context))

        return run

    async def _handled(self, path: str, call: Call, answer: Coroutine[Any, Any, Answer]) -> Answer | None:
        """Return the answer, or end the call with the status of the error."""
        counts = not path.startswith(STATUS_METHODS)
        self.count += counts
        self._is_idle.clear()
        self._has_come.set()
        try:
            return await answer
        except (asyncio.CancelledError, grpc.aio.BaseError):
            call.leave()
            raise
        except Exception as error:  # noqa: BLE001 -- all errors become statuses
            if isinstance(error, PermissionDenied):
                await self._audit.note_denied(call, error)
            status = call.fail(error)
        finally:
            if call.note_answered is not None:
                call.note_answered()
            self.count -= counts
            if not self.count:
                self._is_idle.set()
        await call.end(status)
        return None

    async def _message(self, call: Call, context: Any, queue: CallQueue) -> bytes:
        """Return the call's message, if the call is admitted.

        Raises:
            ServerStopping: The server takes no more calls.
            Unauthenticated: The caller has no valid key or certificate.
            PermissionDenied: The caller may not call this method.
            LimitExceeded: The caller makes too many calls.
            Overloaded: The call is refused, if possible before its message is read.
            ClientTooSlow: The message does not arrive.
            InvalidField: The client ended the call without a message.
        """
        if self._refuses:
            raise ServerStopping
        call.caller = caller = await self.gate.identify(context)
        usage = self.gate.enter(call.method, caller)
        call.note_answered = usage.answered
        context.add_done_callback(lambda _: usage.leave())
        queue.check_room(seconds=call.time_remaining())
        data = await self.slow_clients.read(context)
        if data is grpc.aio.EOF:
            raise InvalidField("request", "the call ended without a message")
        queue.check_room(len(data), call.time_remaining())
        return bytes(data)


class _Part(NamedTuple):
    """The next answers of a stream, and the error that followed them."""

    answers: list[bytes]
    error: Exception | None


def _next_part(stream: Iterator[bytes]) -> _Part:
    """Return the next answers of a stream; none at its end. An error before the first of them is raised."""
    answers: list[bytes] = []
    end = time.monotonic() + TURN_SECONDS
    try:
        for answer in stream:
            answers.append(answer)
            if len(answers) == ANSWERS_AT_ONCE or time.monotonic() > end:
                break
    except Exception as error:
        if not answers:
            raise
        return _Part(answers, error)
    return _Part(answers, None)
