"""The standard health service, which no client can hold up.

The servicer of grpcio-health-checking waits for a watcher to take a state while it holds the lock that the next state
needs. So one client that reads nothing would freeze the health of the server, and keep the server from ending.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from service.api.callers.exposure import UNIX
from service.api.calls import SlowClients
from service.api.convert import parse_message
from service.api.queues import RETRY_SECONDS
from service.api.status import status_of
from service.domain.errors import InvalidField, NotFound, Overloaded, PaperfeedError

NAME = "grpc.health.v1.Health"
MAX_WATCHES = 100
"""Calls of Watch at a time on one connection."""
MAX_REQUEST_BYTES = 1024


class Health(grpc.GenericRpcHandler):
    """Handlers of ``Check`` and ``Watch``, for all services and the server as a whole, whose name is empty.

    Args:
        silence_seconds: Time limit for a request to arrive.
        stall_seconds: Time limit for a state to be taken.
    """

    def __init__(self, silence_seconds: float, stall_seconds: float) -> None:
        # Apart from other calls, because these need no key. A new state is sent to all watchers at the same time.
        self._slow_clients = SlowClients(silence_seconds, stall_seconds, most_unread=sys.maxsize)
        self._states: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._has_ended = False
        self._watches: Counter[str] = Counter()
        self._handlers: dict[str, Any] = {
            f"/{NAME}/{name}": grpc.stream_stream_rpc_method_handler(self._handled(method))
            for name, method in (("Check", self._check), ("Watch", self._watch))
        }

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method; None for an unknown method."""
        return self._handlers.get(handler_call_details.method)

    def show(self, states: Mapping[str, int]) -> None:
        """Set the states of services by name."""
        if any(self._states.get(service) != state for service, state in states.items()):
            self._states.update(states)
            self._wake()

    def end(self) -> None:
        """End all watches."""
        self._has_ended = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _handled(self, method: Callable[[str, Any], Coroutine[Any, Any, None]]) -> Callable[..., Any]:
        async def run(_requests: object, context: Any) -> None:
            try:
                data = await self._slow_clients.read(context)
                if data is grpc.aio.EOF or len(data) > MAX_REQUEST_BYTES:
                    raise InvalidField("request", f"must be one message of at most {MAX_REQUEST_BYTES:,} bytes")
                await method(parse_message(data, HealthCheckRequest.FromString).service, context)
            except PaperfeedError as error:
                await context.abort(*status_of(error, ""))

        return run

    async def _check(self, service: str, context: Any) -> None:
        if service not in self._states:
            raise NotFound("service", service, field="service")
        await self._slow_clients.begin(context)
        await self._send(context, self._states[service])

    async def _watch(self, service: str, context: Any) -> None:
        peer = context.peer()
        # All clients of a Unix socket have the same name, and they are local.
        if self._watches[peer] >= MAX_WATCHES and not peer.startswith(UNIX):
            raise Overloaded("watches on a connection", retry_after_seconds=RETRY_SECONDS[0])
        self._watches[peer] += 1
        try:
            await self._slow_clients.begin(context)
            last = None
            while not self._has_ended:
                changed = self._changed
                state = self._states.get(service, HealthCheckResponse.SERVICE_UNKNOWN)
                if state != last:
                    await self._send(context, state)
                    last = state
                await changed.wait()
        finally:
            self._watches[peer] -= 1
            if not self._watches[peer]:
                del self._watches[peer]

    async def _send(self, context: Any, state: int) -> None:
        await self._slow_clients.write(context, HealthCheckResponse(status=state).SerializeToString())
