"""Checks that a server which others can reach identifies its callers."""

import ipaddress
import socket

from service.domain.errors import InvalidField

UNIX = "unix:"
"""Start of a host that is the path of a Unix socket."""


def is_local(host: str) -> bool:
    """Return whether only programs on this machine can reach a server that listens on the host."""
    if host.startswith(UNIX):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    return all(address.is_loopback for address in addresses)


def check_exposure(host: str, *, identifies: bool, has_tls: bool, insecure: bool) -> str:
    """Return a warning for the log about a server that others can reach; empty if there is nothing to warn of.

    Args:
        identifies: Whether callers need an API key or a client certificate.
        insecure: Whether the user has asked for a server without identity.

    Raises:
        InvalidField: Everybody who reaches the server could read and delete all data, and nobody asked for it.
    """
    if is_local(host):
        return ""
    if not identifies:
        if not insecure:
            problem = (
                f"'{host}' can be reached from other machines, and callers need no identity: everybody could read and "
                "delete all data; give --auth keys or --auth mtls (see docs/security.md), or --insecure if only "
                "trusted callers can reach the server"
            )
            raise InvalidField("host", problem)
        return "insecure: callers need no identity, so everybody who reaches the server can read and delete all data"
    return "" if has_tls else "API keys and data cross the network unencrypted unless a proxy or the network encrypts"
