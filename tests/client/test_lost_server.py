"""Calls to a server that goes away."""

import socket
import threading
from collections.abc import Callable, Iterable

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import StreamFeedsRequest
from paperfeed.v1.profile_pb2 import ExportUserRequest

SETTINGS_FRAME = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
DEADLINE_SECONDS = 0.5


def answer_and_vanish(listener: socket.socket) -> None:
    """Accept one HTTP/2 connection, read a part of the call, and leave nothing that listens on the port."""
    connection, _ = listener.accept()
    connection.sendall(SETTINGS_FRAME)
    connection.recv(65536)
    for each in (listener, connection):
        each.shutdown(socket.SHUT_RDWR)
        each.close()


@pytest.mark.parametrize(
    "stream",
    [
        lambda client: client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=["u"])),
        lambda client: client.profiles.ExportUser(ExportUserRequest(user_id="u")),
    ],
    ids=["StreamFeeds", "ExportUser"],
)
def test_a_stream_of_a_lost_server_ends(stream: Callable[[Client], Iterable[object]]) -> None:
    """If the server goes away before it answers a stream, the stream ends with UNAVAILABLE and does not hang."""
    found: list[grpc.StatusCode] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Client(f"127.0.0.1:{listener.getsockname()[1]}", timeout=DEADLINE_SECONDS) as client,
    ):

        def read() -> None:
            with pytest.raises(grpc.RpcError) as raised:
                list(stream(client))
            found.append(raised.value.code())

        threading.Thread(target=answer_and_vanish, args=(listener,), daemon=True).start()
        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        reading.join(timeout=60)

    assert found == [grpc.StatusCode.UNAVAILABLE]
