"""Conversion between messages of the contract and the mailer's values, and the mailer's errors for failed calls."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from mailer.domain.feed import Digest, Event, Feed, FeedPaper, Interest, Preferences, Profile, Reason
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from paperfeed.client import error_details
from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2

_REASONS = {number: name.removeprefix("REASON_TYPE_").lower() for name, number in feed_pb2.ReasonType.items()}


@contextlib.contextmanager
def mapped(resource: str = "", name: str = "") -> Iterator[None]:
    """Raise an error of the mailer for a failed call in the block.

    Args:
        resource: Noun for what NOT_FOUND means; empty if the call cannot miss anything.
        name: Name of the resource, in case the answer does not give it.
    """
    try:
        yield
    except grpc.RpcError as error:
        details = error_details(error)
        if details.code is grpc.StatusCode.NOT_FOUND and resource:
            raise NotFound(resource, details.metadata.get("name", name)) from error
        if details.code is grpc.StatusCode.INVALID_ARGUMENT and details.fields:
            raise InvalidField(*next(iter(details.fields.items()))) from error
        if details.reason == "QUOTA_EXCEEDED":
            # To repeat the call would not help, so the event must not delay others.
            raise InvalidField("events", details.message) from error
        raise ServiceUnavailable(f"{details.code.name}: {details.message}") from error


def to_feed(slate: feed_pb2.Slate) -> Feed:
    """Return the papers of a slate, or of one of its pages."""
    return Feed(
        user_id=slate.user_id,
        slate_id=slate.slate_id,
        digest_id=next(iter(slate.digest_ids), ""),
        fallback=feed_pb2.FallbackReason.Name(slate.fallback_reason).removeprefix("FALLBACK_REASON_").lower(),
        papers=tuple(map(_item, slate.items)),
        is_stale=slate.stale_digest,
        sections=tuple((section.interest_id, section.name) for section in slate.sections),
    )


def _item(item: feed_pb2.FeedItem) -> FeedPaper:
    # A newer service may give reasons of other types.
    reasons = tuple(Reason(_REASONS[each.type], each.subject) for each in item.reasons if each.type in _REASONS)
    return replace(to_paper(item.paper, item.rank, reasons), interest_id=item.interest_id)


def to_paper(paper: catalog_pb2.Paper, position: int, reasons: tuple[Reason, ...] = ()) -> FeedPaper:
    """Return a paper at a one-based position of a feed or list."""
    return FeedPaper(
        position=position,
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract,
        authors=tuple(paper.authors),
        url=paper.url,
        reasons=reasons,
        categories=tuple(paper.categories),
        published_at=paper.published_at.ToDatetime(tzinfo=dt.UTC) if paper.HasField("published_at") else None,
    )


def to_digest(digest: catalog_pb2.Digest) -> Digest:
    """Return a digest without its papers."""
    date = dt.date(digest.date.year, digest.date.month, digest.date.day)
    return Digest(digest.digest_id, date, digest.title, digest.paper_count)


def to_profile(profile: profile_pb2.Profile) -> Profile:
    """Return a user's profile."""
    interests = tuple(
        Interest(each.name, each.like_count, each.weight, tuple(each.paper_ids)) for each in profile.interests
    )
    lists = (tuple(getattr(profile.preferences, name)) for name in Preferences.__dataclass_fields__)
    return Profile(profile.like_count, profile.dislike_count, Preferences(*lists), interests)


def from_event(event: Event) -> profile_pb2.Event:
    """Return the message of an event."""
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
