"""Connects commands to a running server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.credentials import tls_credentials
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
def server_client(
    server: str | None, tls: Sequence[str | None] = (None, None, None), *, timeout: float = 30.0
) -> Iterator["Client"]:
    """Yield a client of the server at the address, or of the server that the settings name.

    Args:
        tls: The options --tls-ca, --tls-cert and --tls-key.

    Raises:
        InvalidField: The address is malformed, or a file of the credentials cannot be used.
        NoServer: A call in the ``with`` block failed because no server answers there.
        grpc.RpcError: The server answered a call with an error.
    """
    import grpc

    from paperfeed.client import Client

    address = Settings.read(server=server).server
    with Client(address, timeout=timeout, credentials=tls_credentials(*tls)) as client:
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


def _came_from_server(error: "grpc.RpcError") -> bool:
    """Return whether the server sent the error. Otherwise the client made it up because no answer came."""
    import grpc

    call: grpc.Call = error  # type: ignore[assignment]  # what a stub raises is both
    by_client = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    return call.code() not in by_client or bool(call.trailing_metadata())
