"""The client of the feed service. Only this module uses the gRPC contract's messages."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Self

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from mailer.config import PREFIX
from mailer.domain.feed import Digest, Event, Feed, FeedPaper, Preferences, Reason
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from paperfeed.client import Access, Client, error_details
from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2

EVENTS_PER_CALL = 1_000
MAX_DIGESTS = 100
PLAIN = Access()
"""No TLS and no API key: a server on this machine that does not identify its callers."""
_REASONS = {number: name.removeprefix("REASON_TYPE_").lower() for name, number in feed_pb2.ReasonType.items()}


class FeedService:
    """A connection to the feed service. Use it in a ``with`` block; every call may raise ServiceUnavailable.

    Args:
        access: Credentials for TLS, and the API key. Default: neither.
    """

    def __init__(self, target: str, access: Access = PLAIN, *, timeout_seconds: float = 30.0) -> None:
        self._client = Client(target, timeout=timeout_seconds, credentials=access.credentials, api_key=access.api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def digests(self, since: dt.date = dt.date.min) -> Iterator[Digest]:
        """Yield the digests dated ``since`` or later, newest first."""
        with _mapped():
            for found in self._client.digests(catalog_pb2.ListDigestsRequest(page_size=100)):
                digest = Digest(found.digest_id, dt.date(found.date.year, found.date.month, found.date.day))
                if digest.date < since:
                    return
                yield digest

    def feeds(
        self, user_ids: Sequence[str], digest_ids: Sequence[str], paper_count: int, min_probability: float = 0.0
    ) -> Iterator[Feed]:
        """Yield one feed of all digests for each user, in ascending order of user_id, with abstracts and reasons.

        Args:
            user_ids: Up to 10,000 users.
            digest_ids: Ids of up to ``MAX_DIGESTS`` digests; empty means the newest digest.
            paper_count: Maximum number of papers in a feed, 1 to 100.
            min_probability: Lowest probability that the user likes or saves a paper of the feed, 0 to 1. 0 leaves out
                nothing and needs no calibrated model.

        Raises:
            InvalidField: There is a min_probability, and the model that ranks has no calibration.
        """
        request = feed_pb2.StreamFeedsRequest(
            user_ids=user_ids,
            digest_ids=digest_ids,
            limit=paper_count,
            explain=True,
            view=catalog_pb2.PAPER_VIEW_FULL,
            min_probability=min_probability or None,
        )
        with _mapped():
            for answer in self._client.feeds.StreamFeeds(request):
                yield _feed(answer.slate)

    def slate(self, slate_id: str) -> Feed:
        """Return the first 100 papers of a feed as it was served.

        Raises:
            NotFound: The service no longer stores the slate.
        """
        request = feed_pb2.GetSlateRequest(slate_id=slate_id, page_size=100, view=catalog_pb2.PAPER_VIEW_FULL)
        with _mapped("slate", slate_id):
            return _feed(self._client.feeds.GetSlate(request).slate)

    def record(self, events: Sequence[Event]) -> None:
        """Record events in the service. Recording an event again changes nothing.

        The events are sent in calls of up to 1,000; a call that raises has recorded none of its events.

        Raises:
            NotFound: The service does not know one of the papers, for instance because it was deleted.
            InvalidField: One of the events is invalid.
        """
        for start in range(0, len(events), EVENTS_PER_CALL):
            sent = [_event(event) for event in events[start : start + EVENTS_PER_CALL]]
            with _mapped("paper", "of an event"):
                self._client.profiles.RecordEvents(profile_pb2.RecordEventsRequest(events=sent))

    def preferences(self, user_id: str) -> Preferences:
        """Return the preferences of the user; an unknown user has none."""
        try:
            with _mapped("user", user_id):
                answer = self._client.profiles.GetProfile(profile_pb2.GetProfileRequest(user_id=user_id))
        except NotFound:
            return Preferences()
        found = answer.profile.preferences
        return Preferences(*(tuple(getattr(found, name)) for name in Preferences.__dataclass_fields__))

    def update_preferences(self, user_id: str, preferences: Preferences) -> None:
        """Replace the preferences of the user.

        Raises:
            InvalidField: The service refuses one of the values.
        """
        values = {name: list(getattr(preferences, name)) for name in Preferences.__dataclass_fields__}
        request = profile_pb2.UpdatePreferencesRequest(
            user_id=user_id, preferences=profile_pb2.Preferences(**values), update_mask=FieldMask(paths=list(values))
        )
        with _mapped():
            self._client.profiles.UpdatePreferences(request)

    def deleted_users(self, since: dt.datetime | None) -> Iterator[tuple[str, dt.datetime]]:
        """Yield (hexadecimal SHA-256 of the user_id, deletion time) of deleted users, earliest first.

        Args:
            since: Earliest deletion time; None means all.
        """
        request = profile_pb2.ListDeletedUsersRequest(page_size=100)
        if since is not None:
            request.since.FromDatetime(since)
        with _mapped():
            for deleted in self._client.deleted_users(request):
                yield deleted.user_id_hash, deleted.deleted_at.ToDatetime(tzinfo=dt.UTC)


@contextlib.contextmanager
def _mapped(resource: str = "", name: str = "") -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        details = error_details(error)
        if details.code is grpc.StatusCode.NOT_FOUND and resource:
            raise NotFound(resource, details.metadata.get("name", name)) from error
        if details.code is grpc.StatusCode.INVALID_ARGUMENT and details.fields:
            raise InvalidField(*next(iter(details.fields.items()))) from error
        if details.reason == "NOT_CALIBRATED":
            raise InvalidField(PREFIX + "MIN_PROBABILITY", details.message.removeprefix("min_probability: ")) from error
        if details.reason == "QUOTA_EXCEEDED":
            # To repeat the call would not help, so the event must not delay others.
            raise InvalidField("events", details.message) from error
        raise ServiceUnavailable(f"{details.code.name}: {details.message}") from error


def _feed(slate: feed_pb2.Slate) -> Feed:
    return Feed(
        user_id=slate.user_id,
        slate_id=slate.slate_id,
        digest_id=next(iter(slate.digest_ids), ""),
        fallback=feed_pb2.FallbackReason.Name(slate.fallback_reason).removeprefix("FALLBACK_REASON_").lower(),
        papers=tuple(map(_paper, slate.items)),
        is_stale=slate.stale_digest,
    )


def _paper(item: feed_pb2.FeedItem) -> FeedPaper:
    paper = item.paper
    return FeedPaper(
        position=item.rank,
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract,
        authors=tuple(paper.authors),
        url=paper.url,
        # A newer service may give reasons of other types.
        reasons=tuple(Reason(_REASONS[each.type], each.subject) for each in item.reasons if each.type in _REASONS),
    )


def _event(event: Event) -> profile_pb2.Event:
    return profile_pb2.Event(
        event_id=event.event_id,
        user_id=event.user_id,
        paper_id=event.paper_id,
        event_type=profile_pb2.EventType.Value(f"EVENT_TYPE_{event.event_type.upper()}"),
        occurred_at=_timestamp(event.occurred_at),
        slate_id=event.slate_id,
    )


def _timestamp(time: dt.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
