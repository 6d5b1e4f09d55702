"""Clients that break the rules of HTTP/2 or test its limits, frame by frame, as no gRPC library would."""

import socket
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

_SECONDS = 20.0


class Http2:
    """A connection to a gRPC server.

    Args:
        address: host:port.
        takes: Whether the client lets the server send answers. Their headers are sent anyway.
    """

    def __init__(self, address: str, *, takes: bool = True) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_SECONDS)
        self._connection = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._connection.initiate_connection()
        if not takes:
            self._connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.send()

    def open(self, path: str) -> int:
        """Begin a call without a message; return the id of its stream. Nothing is sent before ``send``."""
        stream: int = self._connection.get_next_available_stream_id()
        names = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "paperfeed"}
        names |= {"content-type": "application/grpc", "te": "trailers"}
        self._connection.send_headers(stream, list(names.items()))
        return stream

    def message(self, stream: int, content: bytes) -> None:
        """Give a call its only message. Nothing is sent before ``send``."""
        self._connection.send_data(stream, b"\0" + len(content).to_bytes(4, "big") + content, end_stream=True)

    def reset(self, stream: int) -> None:
        """Take a call back. Nothing is sent before ``send``."""
        self._connection.reset_stream(stream)

    def send(self) -> None:
        """Send all that is waiting.

        Raises:
            OSError: The server has closed the connection.
        """
        self._socket.sendall(self._connection.data_to_send())

    def close(self) -> None:
        """Close the connection without a farewell."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
