"""The running server that commands ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

    from paperfeed.client import Client

CONNECT_SECONDS = 0.5


class NoServer(Exception):
    """Nobody answers at the address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"no server answers at {address}; start one with: paperfeed serve")


@contextmanager
def asked_server(server: str | None, *, timeout: float = 30.0) -> Iterator["Client"]:
    """A client of the server at the address, or of the one that the settings name.

    Raises:
        InvalidField: It is no address.
        NoServer: A call in the ``with`` block failed, and nobody answers there.
        grpc.RpcError: The server's own answer to a call that failed.
    """
    import grpc

    from paperfeed.client import Client
    from service.config import Settings

    address = Settings.read(server=server).server
    with Client(address, timeout=timeout) as client:
        try:
            yield client
        except grpc.RpcError as error:
            if _is_of_server(error) or _is_there(client):
                raise
            raise NoServer(address) from error


def _is_of_server(error: "grpc.RpcError") -> bool:
    """Whether the error is an answer, not what our own side says for want of one."""
    import grpc

    call: grpc.Call = error  # type: ignore[assignment]  # what a stub raises is both
    ours = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    return call.code() not in ours or bool(call.trailing_metadata())


def _is_there(client: "Client") -> bool:
    """Whether the client is connected: then the server was too slow for the deadline, or broke off."""
    import grpc

    try:
        client.wait_until_ready(CONNECT_SECONDS)
    except grpc.FutureTimeoutError:
        return False
    return True
