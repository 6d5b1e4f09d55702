"""Conversion between messages of the contract and the mailer's values, and the mailer's errors for failed calls."""

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from mailer.config import PREFIX
from mailer.domain.feed import Digest, Event, Feed, FeedPaper, Interest, Preferences, Profile, Reason
from mailer.domain.shaping import Explanation, NearLike, Signal, Signals
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
        if details.reason == "NOT_CALIBRATED":
            setting = f"{PREFIX}MIN_PROBABILITY, or a subscriber's own"
            raise InvalidField(setting, details.message.removeprefix("min_probability: ")) from error
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
        fallback=_fallback(slate.fallback_reason),
        papers=tuple(map(_item, slate.items)),
        is_stale=slate.stale_digest,
        sections=tuple((section.interest_id, section.name) for section in slate.sections),
    )


def _item(item: feed_pb2.FeedItem) -> FeedPaper:
    return replace(to_paper(item.paper, item.rank, _reasons(item.reasons)), interest_id=item.interest_id)


def _reasons(reasons: Iterable[feed_pb2.Reason]) -> tuple[Reason, ...]:
    # A newer service may give reasons of other types.
    return tuple(Reason(_REASONS[each.type], each.subject) for each in reasons if each.type in _REASONS)


def _fallback(reason: feed_pb2.FallbackReason.ValueType) -> str:
    return feed_pb2.FallbackReason.Name(reason).removeprefix("FALLBACK_REASON_").lower()


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
        Interest(each.name, each.like_count, each.weight, tuple(each.paper_ids), each.interest_id, each.paused)
        for each in profile.interests
    )
    return Profile(profile.like_count, profile.dislike_count, _to_preferences(profile.preferences), interests)


def _to_preferences(preferences: profile_pb2.Preferences) -> Preferences:
    return Preferences(*(tuple(getattr(preferences, name)) for name in Preferences.__dataclass_fields__))


def to_signals(answer: profile_pb2.ListSignalsResponse) -> Signals:
    """Return one page of a user's signals."""
    signals = tuple(
        replace(
            _to_signal(each.event),
            time=each.recorded_at.ToDatetime(tzinfo=dt.UTC),
            title=each.title,
            effects=tuple(_name(profile_pb2.SignalEffect, effect, "SIGNAL_EFFECT_") for effect in each.effects),
        )
        for each in answer.signals
    )
    preferences = _to_preferences(answer.preferences) if answer.HasField("preferences") else None
    return Signals(signals, preferences, answer.next_page_token)


def _to_signal(event: profile_pb2.Event) -> Signal:
    time = event.occurred_at.ToDatetime(tzinfo=dt.UTC) if event.HasField("occurred_at") else None
    return Signal(event.event_id, event.paper_id, _name(profile_pb2.EventType, event.event_type, "EVENT_TYPE_"), time)


def to_explanation(answer: feed_pb2.ExplainPaperResponse) -> Explanation:
    """Return the explanation of a paper's place."""
    muted = answer.muted_by
    entries = {
        "muted_topics": tuple(muted.topics),
        "muted_authors": tuple(muted.authors),
        "muted_keywords": tuple(muted.keywords),
    }
    return Explanation(
        outcome=_name(feed_pb2.PaperOutcome, answer.outcome, "PAPER_OUTCOME_"),
        paper=to_paper(answer.paper, answer.rank, _reasons(answer.reasons)),
        fallback=_fallback(answer.fallback_reason),
        list_size=answer.total_size,
        score=answer.score,
        rank_by_score=answer.rank_by_score,
        rank_before_exploration=answer.rank_before_exploration,
        contributions=tuple((each.family, each.weighted_sum + each.trees) for each in answer.contributions),
        base_score=answer.base_score,
        is_pending=answer.paper.embedding_state == catalog_pb2.EMBEDDING_STATE_PENDING,
        nearest_likes=tuple(NearLike(each.paper_id, each.title, each.similarity) for each in answer.nearest_likes),
        hidden_by=tuple(map(_to_signal, answer.hidden_by)),
        muted_by={name: values for name, values in entries.items() if values},
        probability=answer.probability if answer.HasField("probability") else None,
    )


def _name(enum: Any, value: int, prefix: str) -> str:
    """Return the name of an enum value in lower case; empty for a value of a newer service."""
    names = {number: name for name, number in enum.items()}
    return str(names.get(value, "")).removeprefix(prefix).lower()


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
