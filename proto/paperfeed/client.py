"""Typed clients for paperfeed with deadlines, retries and paging, blocking and for asyncio.

    with Client("localhost:50051") as client:
        client.catalog.UpsertPapers(UpsertPapersRequest(papers=[...]))
        for item in client.feed_items(GetFeedRequest(user_id="u1")):
            print(item.rank, item.paper.title)

    async with AsyncClient("paperfeed.example.org:443", credentials=tls(), api_key=key) as client:
        answer = await client.feeds.GetFeed(GetFeedRequest(user_id="u1"))
        async for paper in client.papers(ListPapersRequest()):
            print(paper.title)

A client exposes the generated stubs of all services over one channel. A call without a timeout gets the client's
default deadline. A failed call raises ``grpc.RpcError``; ``error_details`` returns the details of the error.

Every RPC of paperfeed is safe to repeat. If the server cannot be reached or is stopping (UNAVAILABLE), or refuses the
call because too many are waiting (RESOURCE_EXHAUSTED), the channel repeats the call up to four times, but not beyond
its deadline. Between two attempts it waits for the time that the server asks for (``grpc-retry-pushback-ms``), or else
up to five seconds. It repeats no other failed call, for example if the database is unavailable, and no stream. If a
call still fails, wait ``error_details(error).retry_after_seconds`` before you try again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Self, cast

import grpc
from google.rpc import error_details_pb2
from google.rpc import status_pb2 as rpc_status_pb2

from paperfeed.access import Access, access_of_files, is_local, metadata_of, tls
from paperfeed.tracing import TracedCall
from paperfeed.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feed_pb2,
    feed_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)

__all__ = ["Access", "AsyncClient", "Client", "ErrorDetails", "access_of_files", "error_details", "tls"]

DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.4s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2.5,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}
# grpcio (1.85) never ends a stream whose server goes away for good while the stream is retried: its iterator waits
# forever, beyond the deadline too. So streams are not retried.
_STREAMS = [
    {"service": service.full_name, "method": method.name}
    for file in (catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.server_streaming
]
_SERVICE_CONFIG = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRY_POLICY}, {"name": _STREAMS}]})


@dataclass(frozen=True)
class ErrorDetails:
    """Details of a failed call.

    Attributes:
        code: gRPC status code.
        message: Text for people.
        reason: Name of an ErrorReason without its prefix, e.g. ``NOT_FOUND``; empty if the error has no ErrorInfo.
        metadata: Facts that belong to the reason, e.g. ``{"resource": "digest"}``; see ErrorReason.
        fields: Maps the path of each invalid request field, e.g. ``papers[3].title``, to its problem.
        retry_after_seconds: Delay before another attempt; None if the server gave none.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    retry_after_seconds: float | None = None


def error_details(error: grpc.RpcError) -> ErrorDetails:
    """Return the details of a failed call."""
    call: Any = error
    trailing = dict(call.trailing_metadata() or ())
    status = rpc_status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_after = None
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    return ErrorDetails(
        code=call.code(),
        message=call.details() or "",
        reason=info.reason,
        metadata=dict(info.metadata),
        fields={violation.field: violation.description for violation in request.field_violations},
        retry_after_seconds=retry_after,
    )


class Client:
    """A connection to one paperfeed server. Thread safe. Call ``close`` at the end, or use a ``with`` block.

    Args:
        target: gRPC target, e.g. ``localhost:50051`` or ``dns:///paperfeed:50051``.
        timeout: Deadline in seconds for calls without a timeout; streams get ten times as much.
        credentials: Credentials for TLS, see ``tls``; None connects without TLS.
        api_key: Sent with each call as ``authorization: Bearer``; empty sends none.
        retries: Whether the channel repeats calls. If False, the first error of each call is raised.

    Raises:
        ValueError: An API key is given for a server on another machine, without TLS.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        api_key: str = "",
        retries: bool = True,
    ) -> None:
        metadata, options = metadata_of(target, credentials, api_key), _options(target, retries=retries)
        if credentials:
            self._channel = grpc.secure_channel(target, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)
        channel = cast("grpc.Channel", _Defaults(self._channel, timeout, metadata, is_async=False))
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.profiles = profile_pb2_grpc.ProfileServiceStub(channel)
        self.feeds = feed_pb2_grpc.FeedServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.status = status_pb2_grpc.StatusServiceStub(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and cancel the calls in progress."""
        self._channel.close()

    def wait_until_ready(self, timeout: float) -> None:
        """Wait until the server can be reached.

        Raises:
            grpc.FutureTimeoutError: The server could not be reached within ``timeout`` seconds.
        """
        grpc.channel_ready_future(self._channel).result(timeout=timeout)

    def papers(self, request: catalog_pb2.ListPapersRequest) -> Iterator[catalog_pb2.Paper]:
        """Yield all papers. Requests further pages when needed."""
        return _entries(self.catalog.ListPapers, request, attrgetter("papers"))

    def digests(self, request: catalog_pb2.ListDigestsRequest) -> Iterator[catalog_pb2.Digest]:
        """Yield all digests. Requests further pages when needed."""
        return _entries(self.catalog.ListDigests, request, attrgetter("digests"))

    def likes(self, request: profile_pb2.ListLikesRequest) -> Iterator[profile_pb2.Like]:
        """Yield all likes of a user. Requests further pages when needed."""
        return _entries(self.profiles.ListLikes, request, attrgetter("likes"))

    def signals(self, request: profile_pb2.ListSignalsRequest) -> Iterator[profile_pb2.Signal]:
        """Yield all signals of a user. Requests further pages when needed."""
        return _entries(self.profiles.ListSignals, request, attrgetter("signals"))

    def deleted_users(self, request: profile_pb2.ListDeletedUsersRequest) -> Iterator[profile_pb2.DeletedUser]:
        """Yield the tombstones of all deleted users. Requests further pages when needed."""
        return _entries(self.profiles.ListDeletedUsers, request, attrgetter("deleted_users"))

    def registered_models(self, request: model_pb2.ListModelsRequest) -> Iterator[model_pb2.Model]:
        """Yield all registered model bundles. Requests further pages when needed."""
        return _entries(self.models.ListModels, request, attrgetter("models"))

    def model_log(self, request: model_pb2.ListModelLogRequest) -> Iterator[model_pb2.ModelLogEntry]:
        """Yield the log of the model registry. Requests further pages when needed."""
        return _entries(self.models.ListModelLog, request, attrgetter("entries"))

    def feed_items(self, request: feed_pb2.GetFeedRequest) -> Iterator[feed_pb2.FeedItem]:
        """Yield all items of a new slate. Requests further pages when needed."""
        return _entries(self.feeds.GetFeed, request, attrgetter("slate.items"))

    def slate_items(self, request: feed_pb2.GetSlateRequest) -> Iterator[feed_pb2.FeedItem]:
        """Yield all items of a stored slate. Requests further pages when needed."""
        return _entries(self.feeds.GetSlate, request, attrgetter("slate.items"))


class AsyncClient:
    """``Client`` for asyncio: the stubs are awaited, and streams and lists are read with ``async for``.

    Create it in a running event loop, and use it in that loop only. Call ``close`` at the end, or use an ``async with``
    block. The arguments are those of ``Client``.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        api_key: str = "",
        retries: bool = True,
    ) -> None:
        metadata, options = metadata_of(target, credentials, api_key), _options(target, retries=retries)
        if credentials:
            self._channel = grpc.aio.secure_channel(target, credentials, options=options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options=options)
        channel = cast("grpc.aio.Channel", _Defaults(self._channel, timeout, metadata, is_async=True))
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.profiles = profile_pb2_grpc.ProfileServiceStub(channel)
        self.feeds = feed_pb2_grpc.FeedServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.status = status_pb2_grpc.StatusServiceStub(channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and cancel the calls in progress."""
        await self._channel.close()

    async def wait_until_ready(self, timeout: float) -> None:  # noqa: ASYNC109 (as Client has it)
        """Wait until the server can be reached.

        Raises:
            TimeoutError: The server could not be reached within ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            await self._channel.channel_ready()

    def papers(self, request: catalog_pb2.ListPapersRequest) -> AsyncIterator[catalog_pb2.Paper]:
        """Yield all papers. Requests further pages when needed."""
        return _async_entries(self.catalog.ListPapers, request, attrgetter("papers"))

    def digests(self, request: catalog_pb2.ListDigestsRequest) -> AsyncIterator[catalog_pb2.Digest]:
        """Yield all digests. Requests further pages when needed."""
        return _async_entries(self.catalog.ListDigests, request, attrgetter("digests"))

    def likes(self, request: profile_pb2.ListLikesRequest) -> AsyncIterator[profile_pb2.Like]:
        """Yield all likes of a user. Requests further pages when needed."""
        return _async_entries(self.profiles.ListLikes, request, attrgetter("likes"))

    def signals(self, request: profile_pb2.ListSignalsRequest) -> AsyncIterator[profile_pb2.Signal]:
        """Yield all signals of a user. Requests further pages when needed."""
        return _async_entries(self.profiles.ListSignals, request, attrgetter("signals"))

    def deleted_users(self, request: profile_pb2.ListDeletedUsersRequest) -> AsyncIterator[profile_pb2.DeletedUser]:
        """Yield the tombstones of all deleted users. Requests further pages when needed."""
        return _async_entries(self.profiles.ListDeletedUsers, request, attrgetter("deleted_users"))

    def registered_models(self, request: model_pb2.ListModelsRequest) -> AsyncIterator[model_pb2.Model]:
        """Yield all registered model bundles. Requests further pages when needed."""
        return _async_entries(self.models.ListModels, request, attrgetter("models"))

    def model_log(self, request: model_pb2.ListModelLogRequest) -> AsyncIterator[model_pb2.ModelLogEntry]:
        """Yield the log of the model registry. Requests further pages when needed."""
        return _async_entries(self.models.ListModelLog, request, attrgetter("entries"))

    def feed_items(self, request: feed_pb2.GetFeedRequest) -> AsyncIterator[feed_pb2.FeedItem]:
        """Yield all items of a new slate. Requests further pages when needed."""
        return _async_entries(self.feeds.GetFeed, request, attrgetter("slate.items"))

    def slate_items(self, request: feed_pb2.GetSlateRequest) -> AsyncIterator[feed_pb2.FeedItem]:
        """Yield all items of a stored slate. Requests further pages when needed."""
        return _async_entries(self.feeds.GetSlate, request, attrgetter("slate.items"))


def _options(target: str, *, retries: bool) -> list[tuple[str, Any]]:
    """Return the options of a channel.

    A server on this machine is not called through the proxy that ``http_proxy`` names: it would get the API key.
    """
    return [
        ("grpc.enable_http_proxy", int(not is_local(target))),
        ("grpc.service_config", _SERVICE_CONFIG if retries else "{}"),
        ("grpc.enable_retries", int(retries)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]


def _entries(call: Callable[..., Any], first: Any, entries_of: Callable[[Any], Any]) -> Iterator[Any]:
    request: Any = deepcopy(first)
    while request is not None:
        page = call(request)
        yield from entries_of(page)
        request = _following(request, page)


async def _async_entries(call: Callable[..., Any], first: Any, entries_of: Callable[[Any], Any]) -> AsyncIterator[Any]:
    request: Any = deepcopy(first)
    while request is not None:
        page = await call(request)
        for entry in entries_of(page):
            yield entry
        request = _following(request, page)


def _following(request: Any, page: Any) -> Any | None:
    """Return the request of the page that follows; None after the last page. Changes the given request."""
    request.page_token = page.next_page_token
    return request if page.next_page_token else None


class _Defaults:
    """A channel, blocking or of asyncio, that traces calls, and gives them a default deadline and metadata."""

    def __init__(self, channel: Any, seconds: float, metadata: tuple[tuple[str, str], ...], *, is_async: bool) -> None:
        self._channel = channel
        self._seconds = seconds
        self._metadata = metadata
        self._is_async = is_async

    def unary_unary(self, path: str, *arguments: Any, **options: Any) -> Any:
        rpc = TracedCall(self._channel.unary_unary(path, *arguments, **options), path, returns_call=self._is_async)
        return _WithDefaults(rpc, self._seconds, self._metadata)

    def unary_stream(self, path: str, *arguments: Any, **options: Any) -> Any:
        rpc = TracedCall(self._channel.unary_stream(path, *arguments, **options), path, returns_call=True)
        return _WithDefaults(rpc, 10 * self._seconds, self._metadata)


class _WithDefaults:
    """An RPC that is called like the one that it wraps."""

    def __init__(self, rpc: Any, seconds: float, metadata: tuple[tuple[str, str], ...]) -> None:
        self._rpc = rpc
        self._seconds = seconds
        self._metadata = metadata

    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = (), **options: Any) -> Any:
        return self._rpc(request, **self._with_defaults(timeout, metadata), **options)

    def with_call(self, request: Any, timeout: float | None = None, metadata: Any = (), **options: Any) -> Any:
        return self._rpc.with_call(request, **self._with_defaults(timeout, metadata), **options)

    def future(self, request: Any, timeout: float | None = None, metadata: Any = (), **options: Any) -> Any:
        return self._rpc.future(request, **self._with_defaults(timeout, metadata), **options)

    def _with_defaults(self, timeout: float | None, metadata: Any) -> dict[str, Any]:
        return {
            "timeout": self._seconds if timeout is None else timeout,
            "metadata": (*(metadata or ()), *self._metadata),
        }
