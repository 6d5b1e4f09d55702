"""Reflection for identified callers. It is not one of our RPCs, so it does not pass the handlers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from service.api.callers.gate import Gate
from service.api.callers.scopes import REFLECTION_METHOD
from service.api.status import status_of
from service.domain.errors import PaperfeedError


class GuardedReflection(reflection.aio.ReflectionServicer):
    """Reflection that requires any valid API key or certificate, where callers are identified, and has their limits."""

    def __init__(self, service_names: Sequence[str], gate: Gate) -> None:
        super().__init__(service_names)
        self._gate = gate

    # The stubs take the generator for a coroutine that returns one.
    async def ServerReflectionInfo(  # type: ignore[override]
        self, request_iterator: Any, unused_context: Any
    ) -> AsyncIterator[Any]:
        """Answer requests for descriptors."""
        try:
            caller = await self._gate.identify(unused_context)
            self._gate.enter(REFLECTION_METHOD, caller)
        except PaperfeedError as error:
            await unused_context.abort(*status_of(error, ""))
            return
        answers: Any = super().ServerReflectionInfo(request_iterator, unused_context)
        try:
            async for answer in answers:
                yield answer
        finally:
            self._gate.leave(REFLECTION_METHOD, caller)


def add_reflection(service_names: Sequence[str], gate: Gate, server: grpc.aio.Server) -> None:
    """Add reflection of the services to a server that has not been started."""
    add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
    add(GuardedReflection(service_names, gate), server)
