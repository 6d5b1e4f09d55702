"""Checks that a port is free, and reserves one that several server processes share."""

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
    """Reserve a port, without listening on it, for processes that bind it with SO_REUSEPORT; yield its number.

    The socket is first bound without SO_REUSEPORT, so a second server started by mistake is refused. It is shared only
    from then on. Processes of other users, and programs that do not ask for SO_REUSEPORT, cannot bind the port.

    Args:
        port: 0 takes a free port.

    Raises:
        InvalidField: The port is in use, the host has no address here, or this system cannot share a port.
    """
    if sys.platform != "linux":
        problem = (
            "several processes can share a port on Linux only, which spreads connections over them; on other systems "
            "start one server per port behind a load balancer"
        )
        raise InvalidField("workers", problem)
    if host.startswith("unix:"):
        raise InvalidField("workers", "several processes cannot share a Unix socket")
    with _bound(host, port) as sockets:
        for held in sockets:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield sockets[0].getsockname()[1]


def check_port(host: str, port: int) -> None:
    """Check that a server can listen on every address of the host; gRPC itself is content with one of them.

    Args:
        port: 0 stands for any free port.

    Raises:
        InvalidField: The port is in use at one of the addresses, or the host has no address here.
    """
    # A Unix socket has no port. gRPC replaces the file of a server that has ended.
    if not host.startswith("unix:"):
        with _bound(host, port):
            pass


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Yield one socket per address of the host, all bound to the same port and none of them listening."""
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for family, kind, protocol, _, address in _addresses(host, port):
            try:
                held = stack.enter_context(socket.socket(family, kind, protocol))
                if sys.platform != "win32":
                    # Connections of a server that has just ended may linger. On Windows the option means more.
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind((address[0], port, *address[2:]))
            except OSError as error:
                if error.errno in _NO_SUCH_ADDRESS:
                    continue
                is_taken = error.errno == errno.EADDRINUSE
                cause = "is another server there?" if is_taken else f"the system says: {error.strerror}"
                raise InvalidField("port", f"cannot listen on {host}:{port}; {cause}") from error
            port = held.getsockname()[1]
            sockets.append(held)
        if not sockets:
            raise _no_address(host)
        yield sockets


def _no_address(host: str) -> InvalidField:
    return InvalidField("host", f"'{host}' is not an address of this machine")


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _no_address(host) from error
    return found  # type: ignore[return-value]  # addresses of IPv4 and IPv6 have two and four parts
