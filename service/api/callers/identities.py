"""Who makes a call: by API key, by client certificate, or anybody."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from service.app.callers.known_callers import KnownCallers
from service.domain.callers import Caller, Scope
from service.domain.errors import StorageUnavailable, Unauthenticated

AUTHORIZATION_KEY = "authorization"
# Time limit for reading the keys again when a call has a key that may be new.
READ_SECONDS = 2.0
_ALL_SCOPES = frozenset(Scope)
# Names of properties of a connection over TLS, from grpc/grpc_security_constants.h.
_URIS, _COMMON_NAME = "peer_uri", "x509_common_name"
Identify = Callable[[Any], Awaitable[Caller]]
"""Takes the context of a call and returns the caller. Raises Unauthenticated or StorageUnavailable."""


async def anybody(context: Any) -> Caller:
    """Return a caller with all scopes, who is known by the address only."""
    return Caller("", "", _ALL_SCOPES, address_of(context.peer()))


def by_api_key(known: KnownCallers) -> Identify:
    """Return a function that finds the caller by ``authorization: Bearer KEY`` in the call's metadata."""

    async def identify(context: Any) -> Caller:
        text = _bearer_of(context.invocation_metadata() or ())
        caller = known.by_key(text)
        if caller is None and known.may_know_later(text):
            await _read_again(known)
            caller = known.by_key(text)
        if caller is None:
            raise Unauthenticated("the API key is unknown, expired or revoked")
        return caller

    return identify


def by_certificate(known: KnownCallers) -> Identify:
    """Return a function that finds the caller by a URI or else the common name of the client's certificate."""

    async def identify(context: Any) -> Caller:
        properties = context.auth_context()
        names = [value.decode(errors="replace") for key in (_URIS, _COMMON_NAME) for value in properties.get(key, ())]
        if (caller := known.by_certificate(names)) is not None:
            return caller
        await _read_again(known)
        if (caller := known.by_certificate(names)) is not None:
            return caller
        raise Unauthenticated("the client certificate has no scopes here, or they have expired or were revoked")

    return identify


async def _read_again(known: KnownCallers) -> None:
    """Wait for a read of the keys, because one may have been created after the last read."""
    try:
        await asyncio.wait_for(asyncio.wrap_future(known.read_again()), READ_SECONDS)
    except TimeoutError as error:
        raise StorageUnavailable("the API keys could not be read in time") from error


def _bearer_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for key, value in metadata if key == AUTHORIZATION_KEY]
    scheme, _, text = str(values[0]).partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not text:
        raise Unauthenticated("the call needs an API key, sent once as 'authorization: Bearer KEY'")
    return text


# A connection keeps its peer.
@lru_cache(maxsize=4_096)
def address_of(peer: str) -> str:
    """Return the address in a peer that gRPC names, such as ``ipv4:192.0.2.1:4711``.

    The addresses of an IPv6 network of 64 bits belong to one customer, so they count as one address.
    """
    kind, _, rest = unquote(peer).partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return kind
    text = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
