"""A port that is ours alone until we say so, and then shared with our own processes."""

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator

from service.domain.errors import InvalidField

# A name may have an IPv6 address where IPv6 is switched off.
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@contextlib.contextmanager
def shared_port(host: str, port: int) -> Iterator[int]:
    """Holds the port, without listening on it, for processes of this user that bind it with SO_REUSEPORT; gives it.

    The socket is bound as one that shares with nobody, so that a second server by accident is refused, and shares only
    from then on. Other users' processes cannot join, and a program that does not ask for SO_REUSEPORT cannot either.

    Args:
        port: 0 takes a free one.

    Raises:
        InvalidField: The port is in use, the host has no address here, or this system cannot share a port.
    """
    if sys.platform != "linux":
        problem = (
            "several processes on one port need Linux, which spreads connections over them; elsewhere run one server a "
            "port, and a load balancer before them"
        )
        raise InvalidField("workers", problem)
    with _bound(host, port) as sockets:
        for held in sockets:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield sockets[0].getsockname()[1]


def check_port(host: str, port: int) -> None:
    """Returns if a server can listen on every address of the host; gRPC is content with one of them.

    Args:
        port: 0 asks for any free one.

    Raises:
        InvalidField: The port is in use at one of them, or the host has no address here.
    """
    with _bound(host, port):
        pass


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """A socket on each address of the host, all on one port, listening on none."""
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for family, kind, protocol, _, address in _addresses(host, port):
            try:
                held = stack.enter_context(socket.socket(family, kind, protocol))
                if sys.platform != "win32":
                    # Connections of a server that has just ended may still be fading away. On Windows it means more.
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind((address[0], port, *address[2:]))
            except OSError as error:
                if error.errno in _NO_SUCH_ADDRESS:
                    continue
                raise InvalidField("port", f"cannot listen on {host}:{port}; {_cause(error)}") from error
            port = held.getsockname()[1]
            sockets.append(held)
        if not sockets:
            raise InvalidField("host", f"'{host}' is no address of this machine")
        yield sockets


def _cause(error: OSError) -> str:
    return "is another server there?" if error.errno == errno.EADDRINUSE else f"the system says: {error.strerror}"


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InvalidField("host", f"'{host}' is no address of this machine") from error
    return found  # type: ignore[return-value]  # addresses of IPv4 and IPv6 have two and four parts
