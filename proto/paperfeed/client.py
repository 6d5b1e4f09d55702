"""A thin typed client: one channel, deadlines on every call, retries by gRPC's own service config, paging.

    with Client("localhost:50051") as client:
        client.catalog.UpsertPapers(UpsertPapersRequest(papers=[...]))
        for item in client.feed_items(GetFeedRequest(user_id="u1")):
            print(item.rank, item.paper.title)

The services' stubs are used as generated; every call gets ``timeout`` unless it names its own. Calls that fail raise
``grpc.RpcError``; ``error_details`` reads what the server said in machine-readable form. Every RPC of paperfeed is safe
to repeat, so a server that is away for a moment (UNAVAILABLE) is tried again, four times in some nine seconds, within
the deadline. A server that has too much to do (RESOURCE_EXHAUSTED) is not: come again after
``error_details(error).retry_after_seconds``, or not at all.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.rpc import error_details_pb2, status_pb2

from paperfeed.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feed_pb2,
    feed_pb2_grpc,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    status_pb2_grpc,
)

DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.4s",
                "maxBackoff": "5s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


@dataclass(frozen=True)
class ErrorDetails:
    """What a failed call said.

    Attributes:
        reason: Name of an ErrorReason without its prefix, e.g. ``NOT_FOUND``; empty when paperfeed did not say.
        fields: Problem by path of the request's field.
        retry_after_seconds: When to come again; None when the server did not say.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    retry_after_seconds: float | None = None


def error_details(error: grpc.RpcError) -> ErrorDetails:
    """The details of a failed call."""
    call: Any = error
    trailing = dict(call.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
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


class _Deadline(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
):
    """Gives every call that has none the default deadline; streams get ten times as much."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(self._with_timeout(details, self._seconds), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(self._with_timeout(details, 10 * self._seconds), request)

    @staticmethod
    def _with_timeout(details: Any, seconds: float) -> Any:
        return details if details.timeout is not None else details._replace(timeout=seconds)


class Client:
    """A connection to one paperfeed service. Thread safe; close it, or use it in a ``with`` block.

    Args:
        target: gRPC target, e.g. ``localhost:50051`` or ``dns:///paperfeed:50051``.
        timeout: Seconds for a call that names no timeout of its own; streams get ten times as much.
        credentials: For TLS; None connects without.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        options = [
            ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ]
        self._channel = (
            grpc.secure_channel(target, credentials, options=options)
            if credentials
            else grpc.insecure_channel(target, options=options)
        )
        channel = grpc.intercept_channel(self._channel, _Deadline(timeout))
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.profiles = profile_pb2_grpc.ProfileServiceStub(channel)
        self.feeds = feed_pb2_grpc.FeedServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.status = status_pb2_grpc.StatusServiceStub(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls at work are cancelled."""
        self._channel.close()

    def wait_until_ready(self, timeout: float) -> None:
        """Waits for the server; raises ``grpc.FutureTimeoutError`` when it is not there in time."""
        grpc.channel_ready_future(self._channel).result(timeout=timeout)

    def papers(self, request: catalog_pb2.ListPapersRequest) -> Iterator[catalog_pb2.Paper]:
        """All papers, page by page."""
        return _entries(self.catalog.ListPapers, request, "papers")

    def digests(self, request: catalog_pb2.ListDigestsRequest) -> Iterator[catalog_pb2.Digest]:
        """All digests, page by page."""
        return _entries(self.catalog.ListDigests, request, "digests")

    def likes(self, request: profile_pb2.ListLikesRequest) -> Iterator[profile_pb2.Like]:
        """All likes of a user, page by page."""
        return _entries(self.profiles.ListLikes, request, "likes")

    def deleted_users(self, request: profile_pb2.ListDeletedUsersRequest) -> Iterator[profile_pb2.DeletedUser]:
        """All tombstones, page by page."""
        return _entries(self.profiles.ListDeletedUsers, request, "deleted_users")

    def feed_items(self, request: feed_pb2.GetFeedRequest) -> Iterator[feed_pb2.FeedItem]:
        """All items of one slate, page by page."""
        return _entries(self.feeds.GetFeed, request, "items")


def _entries(call: Callable[..., Any], first: Any, name: str) -> Iterator[Any]:
    request = type(first)()
    request.CopyFrom(first)
    while True:
        answer = call(request)
        yield from getattr(answer, name)
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token
