"""The channel repeats refused calls, after the delay that the server asks for."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NoReturn

import grpc
import pytest

from paperfeed.client import AsyncClient, Client, error_details
from paperfeed.v1 import status_pb2, status_pb2_grpc
from service.api.status import status_of
from service.domain.errors import Overloaded

DELAY_SECONDS = 1.5
"""Longer than the delays that the channel would choose by itself."""
REQUEST = status_pb2.GetStatusRequest()


@dataclass
class Busy(status_pb2_grpc.StatusServiceServicer):
    """Refuses the first calls as an overloaded server does."""

    refusals: int = 1
    target: str = ""
    called_at: list[float] = field(default_factory=list)

    def GetStatus(
        self, request: status_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> status_pb2.GetStatusResponse:
        self.called_at.append(time.monotonic())
        if len(self.called_at) <= self.refusals:
            self._refuse(context)
        return status_pb2.GetStatusResponse(version="1")

    def _refuse(self, context: grpc.ServicerContext) -> NoReturn:
        code, message, trailer = status_of(Overloaded("calls", retry_after_seconds=DELAY_SECONDS), "")
        context.set_trailing_metadata(trailer)
        context.abort(code, message)
        raise AssertionError("abort raises")


@pytest.fixture
def busy() -> Iterator[Busy]:
    """A server whose first answer is a refusal."""
    servicer = Busy()
    server = grpc.server(ThreadPoolExecutor(2))
    status_pb2_grpc.add_StatusServiceServicer_to_server(servicer, server)
    servicer.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


def test_pushback_is_honoured(busy: Busy) -> None:
    """A refused call is repeated once the server's delay is over, and then succeeds."""
    with Client(busy.target) as client:
        assert client.status.GetStatus(REQUEST).version == "1"

    first, second = busy.called_at
    assert DELAY_SECONDS - 0.1 < second - first < DELAY_SECONDS + 2


def test_pushback_is_honoured_by_the_async_client(busy: Busy) -> None:
    """The asyncio client waits as the blocking one does."""

    async def call() -> str:
        async with AsyncClient(busy.target) as client:
            return (await client.status.GetStatus(REQUEST)).version

    assert asyncio.run(call()) == "1"
    assert busy.called_at[1] - busy.called_at[0] > DELAY_SECONDS - 0.1


def test_without_retries_the_refusal_is_raised(busy: Busy) -> None:
    """A client without retries raises the first refusal, with the delay."""
    with Client(busy.target, retries=False) as client, pytest.raises(grpc.RpcError) as raised:
        client.status.GetStatus(REQUEST)

    details = error_details(raised.value)
    assert (details.code, details.retry_after_seconds) == (grpc.StatusCode.RESOURCE_EXHAUSTED, DELAY_SECONDS)
    assert len(busy.called_at) == 1
