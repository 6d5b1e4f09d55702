"""Raw calls of any RPC, and API keys in the database of a server."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor

from paperfeed.client import ErrorDetails, error_details
from paperfeed.v1 import catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2
from service.app.callers.keys import ApiKeys
from service.resources import SystemClock
from service.storage import SqlStore, open_store

METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method
    for file in (catalog_pb2, profile_pb2, feed_pb2, model_pb2, status_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""All RPCs, by the names of ``service.api.callers.scopes``."""
ALL_SCOPES = ("feeds:read", "events:write", "catalog:write", "users:admin", "models:admin")


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that send an API key."""
    return (("authorization", f"Bearer {key}"),)


def answer_of(
    channel: grpc.Channel, method: str, metadata: Sequence[tuple[str, str]] = (), data: bytes = b""
) -> ErrorDetails | None:
    """Call an RPC with the bytes of a request; return the error, or None if the call succeeds."""
    path, options = f"/paperfeed.v1.{method}", {"metadata": metadata, "timeout": 30}
    try:
        if METHODS[method].server_streaming:
            list(channel.unary_stream(path)(data, **options))
        else:
            channel.unary_unary(path)(data, **options)
    except grpc.RpcError as error:
        return error_details(error)
    return None


def code_of(found: ErrorDetails | None) -> grpc.StatusCode:
    """Return the status code of an answer."""
    return grpc.StatusCode.OK if found is None else found.code


def new_key(store: SqlStore, *scopes: str, name: str = "test", **options: Any) -> str:
    """Create an API key; return its text."""
    return ApiKeys(store, SystemClock()).create(name, scopes, **options)[1]


def grant(store: SqlStore, certificate: str, *scopes: str) -> str:
    """Grant scopes to a client certificate; return the id of the grant."""
    return ApiKeys(store, SystemClock()).create("test", scopes, certificate=certificate)[0].key_id


def revoke(store: SqlStore, key: str) -> None:
    """Revoke an API key, given as its text."""
    ApiKeys(store, SystemClock()).revoke(key.split("_")[1])


@contextmanager
def opened(url: str) -> Iterator[SqlStore]:
    """Open the database of a server, beside the server."""
    store = open_store(url)
    try:
        yield store
    finally:
        store.dispose()


@dataclass(frozen=True)
class Keys:
    """API keys that exist before their server starts."""

    by_scopes: dict[tuple[str, ...], str]
    expired: str
    revoked: str

    def having(self, *scopes: str) -> str:
        """Return the key with exactly these scopes."""
        return self.by_scopes[tuple(sorted(scopes))]

    def lacking(self, scope: str) -> str:
        """Return the key with all other scopes."""
        return self.having(*(each for each in ALL_SCOPES if each != scope))


def make_keys(url: str) -> Keys:
    """Create a key for each scope, one without each scope, one with all, and an expired and a revoked one with all."""
    chosen = [(scope,) for scope in ALL_SCOPES]
    chosen += [tuple(each for each in ALL_SCOPES if each != scope) for scope in ALL_SCOPES]
    with opened(url) as store:
        by_scopes = {tuple(sorted(scopes)): new_key(store, *scopes) for scopes in [*chosen, ALL_SCOPES]}
        expired = new_key(store, *ALL_SCOPES, expires_after=dt.timedelta(0))
        revoked = new_key(store, *ALL_SCOPES)
        revoke(store, revoked)
    return Keys(by_scopes, expired, revoked)
