"""Connects commands to a running server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cli.credentials import server_access
from cli.options import ServerOptions
from service.config import Settings

if TYPE_CHECKING:
    import grpc

    from paperfeed.client import Client

CONNECT_SECONDS = 0.5


class NoServer(Exception):
    """No server answers at the address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"no server answers at {address}; start one with: paperfeed serve")


@contextmanager
def server_client(options: ServerOptions, *, timeout: float = 30.0) -> Iterator["Client"]:
    """Yield a client of the server that the options or else the settings name.

    Raises:
        InvalidField: The address is malformed, or a file of the credentials cannot be used.
        NoServer: A call in the ``with`` block failed because no server answers there.
        grpc.RpcError: The server answered a call with an error.
    """
    import grpc

    from paperfeed.client import Client

    address = Settings.read(server=options.server).server
    access = server_access(address, options)
    with Client(address, timeout=timeout, credentials=access.credentials, api_key=access.api_key) as client:
        try:
            yield client
        except grpc.RpcError as error:
            if not _came_from_server(error):
                try:
                    client.wait_until_ready(CONNECT_SECONDS)
                except grpc.FutureTimeoutError:
                    raise NoServer(address) from error
            # A server is there: it answered with an error, missed the deadline or broke the connection.
            raise


def asks_health(options: ServerOptions, *, timeout: float) -> bool:
    """Return whether the server's health service says that it serves. It answers callers without an API key too.

    Raises:
        InvalidField: The address is malformed, or a file of the credentials cannot be used.
        NoServer: No server answers there.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    address = Settings.read(server=options.server).server
    credentials = server_access(address, options).credentials
    channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    with channel:
        try:
            # Typed for servers of asyncio only.
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError as error:
            raise NoServer(address) from error
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _came_from_server(error: "grpc.RpcError") -> bool:
    """Return whether the server sent the error. Otherwise the client made it up because no answer came."""
    import grpc

    call: grpc.Call = error  # type: ignore[assignment]  # what a stub raises is both
    by_client = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    return call.code() not in by_client or bool(call.trailing_metadata())
