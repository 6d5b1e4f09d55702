"""Clients of the web pages by network: what counts as one client, and which addresses are proxies."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
_IPV6_PREFIX = 64
_LONGEST_NAME = 64


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the addresses and networks of a list that commas separate.

    Raises:
        ValueError: An entry is neither an address nor a network, or is the whole Internet.
    """
    found = []
    for entry in filter(None, (each.strip() for each in text.split(","))):
        try:
            network = ip_network(entry)
        except ValueError:
            raise ValueError(f"'{entry}' is no IP address and no network such as 10.1.2.0/24") from None
        if not network.prefixlen:
            raise ValueError(f"'{entry}' is every address: name your proxies alone")
        found.append(network)
    return tuple(found)


def networks_problem(text: str) -> str | None:
    """Return why ``parse_networks`` refuses the text; None if it does not."""
    try:
        parse_networks(text)
    except ValueError as error:
        return str(error)
    return None


def is_within(host: str, networks: tuple[Network, ...]) -> bool:
    """Return whether the host is an address in one of the networks."""
    address = _address_of(host)
    return address is not None and any(address in network for network in networks)


def is_loopback(host: str) -> bool:
    """Return whether the host is ``localhost``, or an address of this machine's own."""
    address = _address_of(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def client_key(host: str) -> str:
    """Return the text that all addresses of one client share.

    It is the address itself for IPv4, and the /64 network for IPv6: one household or server commonly has a whole /64.
    An IPv4 address in IPv6 notation counts as IPv4. A host that is no address is its own key.
    """
    address = _address_of(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False))
    return host[:_LONGEST_NAME] if address is None else str(address)


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        # A link-local address may name its interface after a percent sign.
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
