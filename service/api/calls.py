"""One call: its request id, its log line, the status that it ends with, and the time limits for its client."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from service.api.queues import RETRY_SECONDS
from service.api.status import Status, reason_of, status_of
from service.app.counters import Counters
from service.domain.callers import AuditEntry, Caller
from service.domain.errors import ClientTooSlow, Overloaded, PaperfeedError, ServerStopping, Unauthenticated
from telemetry.record import recorder

REQUEST_ID_KEY = "x-request-id"
PACKAGE = "paperfeed.v1."
# Limit of calls that wait at a time for their clients to send the message, and the same limit for clients to take an
# answer. If one more waits, the call that has waited longest ends. The limit also bounds the memory of arriving
# messages.
MAX_SLOW = 64
_log = logging.getLogger("paperfeed.calls")


class ClientWaits:
    """Time limits for calls that wait for their clients.

    Args:
        what: What the client should do, for messages, such as "send its message".
        most: Calls that may wait at a time. If one more waits, the call that has waited longest ends.
    """

    def __init__(self, what: str, seconds: float, most: int = MAX_SLOW) -> None:
        self._what = what
        self._seconds = seconds
        self._most = most
        # In order of their start.
        self._limits: dict[asyncio.Timeout, None] = {}

    @contextlib.asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Limit the time of a block that only waits for the client.

        Raises:
            ClientTooSlow: The time has passed.
            Overloaded: Too many calls wait for their clients, and this one has waited longest.
        """
        if len(self._limits) >= self._most:
            longest = next(iter(self._limits))
            del self._limits[longest]
            longest.reschedule(asyncio.get_running_loop().time())
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds) as limit:
                self._limits[limit] = None
                try:
                    yield
                finally:
                    self._limits.pop(limit, None)
        except TimeoutError as error:
            if time.monotonic() - start < self._seconds:
                raise Overloaded("calls that wait for their clients", retry_after_seconds=RETRY_SECONDS[0]) from error
            raise ClientTooSlow(self._what, self._seconds) from error


class SlowClients:
    """Reads messages of calls and writes answers, with limits for clients that send or take nothing.

    Args:
        silence_seconds: Time limit for a message to arrive.
        stall_seconds: Time limit for a message to be taken.
        most_unread: Messages that may wait to be taken at a time.
    """

    def __init__(self, silence_seconds: float, stall_seconds: float, *, most_unread: int = MAX_SLOW) -> None:
        self._silence = ClientWaits("send its message", silence_seconds)
        self._stall = ClientWaits("take a message", stall_seconds, most_unread)

    async def read(self, context: Any) -> Any:
        """Return the next message of a call; ``grpc.aio.EOF`` after the last one.

        Raises:
            ClientTooSlow, Overloaded: As ``ClientWaits.limit``.
        """
        async with self._silence.limit():
            return await context.read()

    async def begin(self, context: Any) -> None:
        """Send headers, as must be done before ``write``.

        If headers went with a message that the client does not take, grpcio could not send the status of the error.
        """
        await context.send_initial_metadata(())

    async def write(self, context: Any, answer: Any) -> None:
        """Send a message of the answer to a call.

        Raises:
            ClientTooSlow, Overloaded: As ``ClientWaits.limit``.
        """
        async with self._stall.limit():
            await context.write(answer)


class Call:
    """One call, from its request to its log line. Servicers get it as their context and may call it in any thread.

    Attributes:
        method: Method, such as ``FeedService/GetFeed``.
        caller: Who makes the call; None until that is known.
        note_answered: Counts for the limits of the caller that the call is answered; None until the call is admitted.
        audit_entry: Entry that the use case stores in the audit log; None if the call is not audited.
    """

    caller: Caller | None = None
    note_answered: Callable[[], None] | None = None
    audit_entry: AuditEntry | None = None

    def __init__(self, method: str, context: Any, counters: Counters) -> None:
        given = next((str(value) for key, value in context.invocation_metadata() if key == REQUEST_ID_KEY), "")
        self._request_id = given if 0 < len(given) <= 64 and given.isprintable() else uuid.uuid4().hex
        self.method = method
        self._context = context
        self._counters = counters
        self._started = time.perf_counter()
        self._end_record = recorder().call(PACKAGE + method, context.invocation_metadata(), self._request_id)
        self._is_active = True
        self._sent_headers = False
        self._is_refused = False

    def is_active(self) -> bool:
        """Whether the client still waits for the answer."""
        return self._is_active

    def peer(self) -> str:
        """Return the client's address in gRPC's notation, such as ``ipv4:127.0.0.1:40000``."""
        return str(self._context.peer())

    def time_remaining(self) -> float:
        """Seconds to the client's deadline; infinite without one."""
        remaining = self._context.time_remaining()
        return float("inf") if remaining is None else float(remaining)

    async def send_headers(self) -> None:
        """Send the headers, before the first message of a stream or an error.

        A client's channel repeats a call that was cut off if it has received no headers. After headers it does not
        repeat a call that ended with an error, which would only add load.
        """
        if not self._sent_headers:
            self._sent_headers = True
            await self._context.send_initial_metadata(((REQUEST_ID_KEY, self._request_id),))

    def succeed(self) -> None:
        """End the call with OK when its handler returns."""
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self._request_id),))
        self._end("OK")

    def leave(self) -> None:
        """Note that the client has left, its deadline has passed or the server has cut the call off."""
        self._is_active = False
        self._end("CANCELLED" if self.time_remaining() > 0 else "DEADLINE_EXCEEDED")

    def fail(self, error: Exception) -> Status:
        """Note that the call ends with an error, and return its status for ``end``."""
        self._is_active = False
        status = status_of(error, self._request_id)
        # Refusing many calls must cost little, so no line is logged. No headers are sent, so that the client's channel
        # may retry the call.
        self._is_refused = isinstance(error, Overloaded | ServerStopping | Unauthenticated)
        if self._is_refused:
            self._count(status[0].name)
        else:
            is_bug = not isinstance(error, PaperfeedError)
            self._end(status[0].name, reason=reason_of(error), bug=error if is_bug else None)
        return status

    async def end(self, status: Status) -> None:
        """Send the status of an error. This lasts until the client takes it or leaves.

        grpcio cannot end a call that its client does not read. If this gave up, the call would keep its memory without
        counting for the limits of its caller.
        """
        if not self._is_refused:
            await self.send_headers()
        await self._context.abort(*status)

    def _count(self, code: str) -> None:
        """Count and record the end of the call."""
        self._counters.count_call(self.method, code)
        self._end_record(code)

    def _end(self, code: str, *, reason: str = "", bug: Exception | None = None) -> None:
        self._count(code)
        milliseconds = (time.perf_counter() - self._started) * 1_000
        facts = {"request_id": self._request_id, "method": self.method, "code": code, "ms": round(milliseconds, 2)}
        if self.caller and self.caller.name:
            facts["caller"] = self.caller.name
        # Health checks of containers call GetStatus every few seconds.
        is_noise = code == "OK" and self.method == "StatusService/GetStatus"
        level = logging.ERROR if bug else logging.DEBUG if is_noise else logging.INFO
        _log.log(level, "call", extra={"facts": facts | ({"reason": reason} if reason else {})}, exc_info=bug)
