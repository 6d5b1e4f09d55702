"""The feed service over gRPC: the only place that knows the contract's messages."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Self

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from mailer.issues.feed import Digest, Event, Feed, FeedPaper, Preferences, Reason, ReasonKind
from paperfeed.client import Client, error_details
from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2

EVENTS_PER_CALL = 1_000
USERS_PER_CALL = 10_000


class FeedService:
    """Calls of the service; use it in a ``with`` block. Every call may raise ServiceUnavailable."""

    def __init__(self, target: str, *, tls: bool = False, timeout_seconds: float = 30.0) -> None:
        credentials = grpc.ssl_channel_credentials() if tls else None
        self._client = Client(target, timeout=timeout_seconds, credentials=credentials)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def newest_digest(self) -> Digest | None:
        """The digest that feeds are made of when none is named; None before the first."""
        request = catalog_pb2.ListDigestsRequest(page_size=1)
        with _mapped():
            found = self._client.catalog.ListDigests(request).digests
        return _digest(found[0]) if found else None

    def digests(self, since: dt.date) -> list[Digest]:
        """Digests of that day and later, latest first."""
        found = []
        with _mapped():
            for digest in self._client.digests(catalog_pb2.ListDigestsRequest(page_size=100)):
                if dt.date.fromisoformat(digest.date) < since:
                    break
                found.append(_digest(digest))
        return found

    def find_newest_digest(self) -> Digest | None:
        """The latest digest, however old."""
        with _mapped():
            return next(map(_digest, self._client.digests(catalog_pb2.ListDigestsRequest(page_size=1))), None)

    def feeds(self, user_ids: Sequence[str], digest_id: str, paper_count: int) -> Iterator[Feed]:
        """One feed for each of the users, in order of user_id, with abstracts and reasons.

        Args:
            paper_count: Places at most, 1 to 100.
        """
        for start in range(0, len(user_ids), USERS_PER_CALL):
            request = feed_pb2.StreamFeedsRequest(
                user_ids=user_ids[start : start + USERS_PER_CALL],
                digest_id=digest_id,
                page_size=paper_count,
                explain=True,
                view=catalog_pb2.PAPER_VIEW_FULL,
            )
            with _mapped():
                for answer in self._client.feeds.StreamFeeds(request):
                    yield _feed(answer.user_id, answer.feed)

    def window_feed(self, user_id: str, start: dt.datetime, paper_count: int) -> Feed:
        """One feed of all papers first seen since ``start``, whatever digest they came in."""
        window = feed_pb2.TimeWindow(start_at=_timestamp(start))
        request = feed_pb2.GetFeedRequest(
            user_id=user_id,
            window=window,
            page_size=paper_count,
            explain=True,
            view=catalog_pb2.PAPER_VIEW_FULL,
        )
        with _mapped():
            return _feed(user_id, self._client.feeds.GetFeed(request))

    def slate(self, slate_id: str) -> Feed:
        """A feed as it was served.

        Raises:
            NotFound: The service keeps it no more.
        """
        request = feed_pb2.GetSlateRequest(slate_id=slate_id, view=catalog_pb2.PAPER_VIEW_FULL)
        with _mapped("slate", slate_id):
            answer = self._client.feeds.GetSlate(request)
            return _feed(answer.user_id, answer)

    def record(self, events: Sequence[Event]) -> None:
        """Tells the service of events; safe to repeat.

        Raises:
            NotFound: A paper is unknown (deleted meanwhile); nothing of that call was recorded.
            InvalidField: One of the events breaks a rule; nothing of that call was recorded.
        """
        for start in range(0, len(events), EVENTS_PER_CALL):
            sent = [_event(event) for event in events[start : start + EVENTS_PER_CALL]]
            with _mapped("paper", "of an event"):
                self._client.profiles.RecordEvents(profile_pb2.RecordEventsRequest(events=sent))

    def preferences(self, user_id: str) -> Preferences:
        """What the user follows and mutes; nothing for an unknown user."""
        try:
            with _mapped("user", user_id):
                answer = self._client.profiles.GetProfile(profile_pb2.GetProfileRequest(user_id=user_id))
        except NotFound:
            return Preferences()
        found = answer.profile.preferences
        return Preferences(*(tuple(getattr(found, name)) for name in Preferences.__dataclass_fields__))

    def update_preferences(self, user_id: str, preferences: Preferences) -> None:
        """Replaces what the user follows and mutes.

        Raises:
            InvalidField: One of the words breaks the service's rules.
        """
        values = {name: list(getattr(preferences, name)) for name in Preferences.__dataclass_fields__}
        request = profile_pb2.UpdatePreferencesRequest(
            user_id=user_id, preferences=profile_pb2.Preferences(**values), update_mask=FieldMask(paths=list(values))
        )
        with _mapped():
            self._client.profiles.UpdatePreferences(request)

    def deleted_users(self, since: dt.datetime | None) -> Iterator[tuple[str, dt.datetime]]:
        """(SHA-256 of the user_id in hexadecimal, when) of users deleted at or after the time, earliest first."""
        request = profile_pb2.ListDeletedUsersRequest(page_size=100)
        if since is not None:
            request.since.FromDatetime(since)
        with _mapped():
            for deleted in self._client.deleted_users(request):
                yield deleted.user_id_hash, _time(deleted.deleted_at)


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
        raise ServiceUnavailable(f"{details.code.name}: {details.message}") from error


def _digest(found: catalog_pb2.Digest) -> Digest:
    return Digest(found.digest_id, dt.date.fromisoformat(found.date), found.title, found.paper_count)


def _feed(user_id: str, answer: "feed_pb2.GetFeedResponse | feed_pb2.GetSlateResponse") -> Feed:
    return Feed(
        user_id=user_id,
        slate_id=answer.slate_id,
        digest_id=answer.digest_id,
        model_version=answer.model_version,
        fallback=feed_pb2.FallbackReason.Name(answer.fallback_reason).removeprefix("FALLBACK_REASON_").lower(),
        papers=tuple(map(_paper, answer.items)),
    )


def _paper(item: feed_pb2.FeedItem) -> FeedPaper:
    paper = item.paper
    return FeedPaper(
        position=item.rank,
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract,
        authors=tuple(paper.authors),
        categories=tuple(paper.categories),
        url=paper.url,
        published_at=_time(paper.published_at) if paper.HasField("published_at") else None,
        upvotes=paper.upvotes if paper.HasField("upvotes") else None,
        reasons=tuple(reason for each in item.reasons if (reason := _reason(each)) is not None),
    )


def _reason(found: feed_pb2.Reason) -> Reason | None:
    """None for a kind that this version does not know."""
    name = found.type
    try:
        kind = ReasonKind(feed_pb2.ReasonType.Name(name).removeprefix("REASON_TYPE_").lower())
    except ValueError:
        return None
    return Reason(kind, found.subject)


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


def _time(stamp: Timestamp) -> dt.datetime:
    return stamp.ToDatetime(tzinfo=dt.UTC)
