"""A typed client for paperfeed with deadlines, retries and paging.

    with Client("localhost:50051") as client:
        client.catalog.UpsertPapers(UpsertPapersRequest(papers=[...]))
        for item in client.feed_items(GetFeedRequest(user_id="u1")):
            print(item.rank, item.paper.title)

The client exposes the generated stubs of all services over one channel. A call without a timeout gets the client's
default deadline. A failed call raises ``grpc.RpcError``; ``error_details`` returns the details of the error.

Every RPC of paperfeed is safe to repeat. If the server cannot be reached or is stopping (UNAVAILABLE), the channel
repeats the call up to four times within about nine seconds, but not beyond its deadline. It repeats no other failed
call, for example if the database is unavailable, and no stream. After RESOURCE_EXHAUSTED, wait
``error_details(error).retry_after_seconds`` before another attempt.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.rpc import error_details_pb2
from google.rpc import status_pb2 as rpc_status_pb2

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

DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.4s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2.5,
    "retryableStatusCodes": ["UNAVAILABLE"],
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


class _Deadline(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Sets the default deadline of calls without a timeout. Streams get ten times as much."""

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
    """A connection to one paperfeed server. Thread safe. Call ``close`` at the end, or use a ``with`` block.

    Args:
        target: gRPC target, e.g. ``localhost:50051`` or ``dns:///paperfeed:50051``.
        timeout: Deadline in seconds for calls without a timeout; streams get ten times as much.
        credentials: Credentials for TLS; None connects without TLS.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        options = [
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ]
        if credentials:
            self._channel = grpc.secure_channel(target, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)
        channel = grpc.intercept_channel(self._channel, _Deadline(timeout))
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
        return _entries(self.catalog.ListPapers, request, "papers")

    def digests(self, request: catalog_pb2.ListDigestsRequest) -> Iterator[catalog_pb2.Digest]:
        """Yield all digests. Requests further pages when needed."""
        return _entries(self.catalog.ListDigests, request, "digests")

    def likes(self, request: profile_pb2.ListLikesRequest) -> Iterator[profile_pb2.Like]:
        """Yield all likes of a user. Requests further pages when needed."""
        return _entries(self.profiles.ListLikes, request, "likes")

    def deleted_users(self, request: profile_pb2.ListDeletedUsersRequest) -> Iterator[profile_pb2.DeletedUser]:
        """Yield the tombstones of all deleted users. Requests further pages when needed."""
        return _entries(self.profiles.ListDeletedUsers, request, "deleted_users")

    def feed_items(self, request: feed_pb2.GetFeedRequest) -> Iterator[feed_pb2.FeedItem]:
        """Yield all items of one slate. Requests further pages when needed."""
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
