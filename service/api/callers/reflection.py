"""Reflection for identified callers. It is not one of our RPCs, so it does not pass the handlers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from service.api.callers.gate import Gate
from service.api.callers.scopes import REFLECTION_METHOD
from service.api.calls import SlowClients
from service.api.status import status_of
from service.domain.errors import PaperfeedError


class GuardedReflection(reflection.aio.ReflectionServicer):
    """Reflection that requires any valid API key or certificate, where callers are identified, and has their limits."""

    def __init__(self, service_names: Sequence[str], gate: Gate, slow_clients: SlowClients) -> None:
        super().__init__(service_names)
        self._gate = gate
        self._slow_clients = slow_clients

    # The stubs expect another form of handler.
    async def ServerReflectionInfo(self, request_iterator: Any, unused_context: Any) -> None:  # type: ignore[override]
        """Answer requests for descriptors."""
        context = unused_context
        try:
            caller = await self._gate.identify(context)
            usage = self._gate.enter(REFLECTION_METHOD, caller)
            try:
                await self._slow_clients.begin(context)
                answers: Any = super().ServerReflectionInfo(self._requests(context), context)
                async for answer in answers:
                    await self._slow_clients.write(context, answer)
            finally:
                usage.answered()
                usage.leave()
        except PaperfeedError as error:
            await context.abort(*status_of(error, ""))

    async def _requests(self, context: Any) -> AsyncIterator[Any]:
        while (request := await self._slow_clients.read(context)) is not grpc.aio.EOF:
            yield request
