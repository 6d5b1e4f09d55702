"""Messages to domain values and back. Every check of a request's shape is here; a rule of the domain is not."""

import datetime as dt
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2
from service.domain.errors import InvalidField
from service.domain.events import Event, EventType, Preferences
from service.domain.feeds import FallbackReason, Reason, ReasonType
from service.domain.identifiers import MAX_ID_LENGTH, derived_paper_id
from service.domain.papers import Digest, EmbeddingState, Paper, UpsertOutcome, check_id

EMBEDDING_STATES = {
    state: catalog_pb2.EmbeddingState.Value(f"EMBEDDING_STATE_{state.name}") for state in EmbeddingState
}
OUTCOMES = {outcome: catalog_pb2.WriteOutcome.Value(f"WRITE_OUTCOME_{outcome.name}") for outcome in UpsertOutcome}
FALLBACKS = {reason: feed_pb2.FallbackReason.Value(f"FALLBACK_REASON_{reason.name}") for reason in FallbackReason}
REASON_TYPES = {kind: feed_pb2.ReasonType.Value(f"REASON_TYPE_{kind.name}") for kind in ReasonType}
EVENT_TYPES = {profile_pb2.EventType.Value(f"EVENT_TYPE_{kind.name}"): kind for kind in EventType}
EVENT_NUMBERS = {kind: number for number, kind in EVENT_TYPES.items()}


def to_timestamp(moment: dt.datetime) -> Timestamp:
    """The timestamp of an aware time."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def from_timestamp(timestamp: Timestamp, field: str) -> dt.datetime:
    """The UTC time of a timestamp.

    Raises:
        InvalidField: Outside the years 1 to 9999, or with nanoseconds out of range.
    """
    try:
        return timestamp.ToDatetime(tzinfo=dt.UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidField(field, "is not a valid timestamp") from error


def optional_time(message: Any, name: str, path: str = "") -> dt.datetime | None:
    """The time in field ``name``, None when absent."""
    return from_timestamp(getattr(message, name), f"{path}{name}") if message.HasField(name) else None


def check_count(values: Sequence[Any], field: str, *, at_most: int, at_least: int = 0) -> None:
    """Raises InvalidField unless the number of entries lies within the limits."""
    if not at_least <= len(values) <= at_most:
        raise InvalidField(field, f"has {len(values)} entries; {at_least} to {at_most} are allowed")


def check_name(name: str, field: str) -> str:
    """An id or alias in a request: addresses may be longer than ids."""
    if not name.strip():
        raise InvalidField(field, "must not be empty")
    if len(name) > 10 * MAX_ID_LENGTH:
        raise InvalidField(field, f"has {len(name)} characters; at most {10 * MAX_ID_LENGTH} are allowed")
    if "\x00" in name:
        raise InvalidField(field, "has a NUL character")
    return name.strip()


def check_optional_name(name: str, field: str) -> str:
    """As ``check_name``; empty stays empty."""
    return check_name(name, field) if name else ""


def check_names(names: Sequence[str], field: str, *, at_most: int, at_least: int = 0) -> list[str]:
    """Ids or aliases in a repeated field."""
    check_count(names, field, at_most=at_most, at_least=at_least)
    return [check_name(name, f"{field}[{i}]") for i, name in enumerate(names)]


def to_paper(message: catalog_pb2.Paper, path: str) -> Paper:
    """A paper as sent; without a paper_id it gets a derived one."""
    return Paper(
        paper_id=message.paper_id or derived_paper_id(message.title, message.url),
        title=message.title,
        abstract=message.abstract,
        authors=tuple(message.authors),
        categories=tuple(message.categories),
        url=message.url,
        published_at=optional_time(message, "published_at", f"{path}."),
        first_seen_at=optional_time(message, "first_seen_at", f"{path}."),
        upvotes=message.upvotes if message.HasField("upvotes") else None,
    )


# A reader's page holds papers that other readers' pages hold too; a message takes as long to make as a paper to rank.
@lru_cache(maxsize=4_096)
def shared_paper(paper: Paper, view: int) -> catalog_pb2.Paper:
    """As ``from_paper``, to be put into another message (which copies it) and never changed."""
    return from_paper(paper, view)


def from_paper(paper: Paper, view: int = catalog_pb2.PAPER_VIEW_FULL) -> catalog_pb2.Paper:
    """A stored paper, without its abstract unless the view is FULL."""
    return catalog_pb2.Paper(
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract if view == catalog_pb2.PAPER_VIEW_FULL else "",
        authors=paper.authors,
        categories=paper.categories,
        url=paper.url,
        published_at=to_timestamp(paper.published_at) if paper.published_at else None,
        first_seen_at=to_timestamp(paper.first_seen_at) if paper.first_seen_at else None,
        upvotes=paper.upvotes,
        embedding_state=EMBEDDING_STATES[paper.embedding_state],
    )


def check_view(view: int) -> int:
    """A known PaperView."""
    if view not in catalog_pb2.PaperView.values():
        raise InvalidField("view", f"{view} is not a known view")
    return view


def to_digest(message: catalog_pb2.Digest) -> Digest:
    """A digest as sent, without its papers."""
    try:
        date = dt.date.fromisoformat(message.date)
    except ValueError:
        date = None
    # ISO 8601 has more forms than we promise to read: 20260311, 2026-W11-3.
    if date is None or date.isoformat() != message.date:
        raise InvalidField("digest.date", f"'{message.date[:40]}' is not a date like 2026-03-11")
    return Digest(digest_id=message.digest_id, date=date, title=message.title, source=message.source)


def from_digest(digest: Digest, paper_count: int | None = None) -> catalog_pb2.Digest:
    """A stored digest."""
    return catalog_pb2.Digest(
        digest_id=digest.digest_id,
        date=digest.date.isoformat(),
        title=digest.title,
        source=digest.source,
        paper_ids=digest.paper_ids,
        paper_count=len(digest.paper_ids) if paper_count is None else paper_count,
        created_at=to_timestamp(digest.created_at) if digest.created_at else None,
    )


def to_event(message: profile_pb2.Event, path: str) -> Event:
    """An event as sent; its paper_id may be an alias, its event_id empty."""
    kind = EVENT_TYPES.get(message.event_type)
    if kind is None:
        raise InvalidField(f"{path}.event_type", f"{message.event_type} is not a kind of event")
    return Event(
        event_id=message.event_id,
        user_id=message.user_id,
        paper_id=check_name(message.paper_id, f"{path}.paper_id"),
        event_type=kind,
        occurred_at=optional_time(message, "occurred_at", f"{path}."),
        slate_id=message.slate_id,
    )


def from_event(event: Event) -> profile_pb2.Event:
    """A stored event."""
    return profile_pb2.Event(
        event_id=event.event_id,
        user_id=event.user_id,
        paper_id=event.paper_id,
        event_type=EVENT_NUMBERS[event.event_type],
        occurred_at=to_timestamp(event.occurred_at) if event.occurred_at else None,
        slate_id=event.slate_id,
    )


def to_preferences(message: profile_pb2.Preferences) -> Preferences:
    """Preferences as sent."""
    return Preferences(**{name: tuple(getattr(message, name)) for name in Preferences.__dataclass_fields__})


def from_preferences(preferences: Preferences) -> profile_pb2.Preferences:
    """Stored preferences."""
    return profile_pb2.Preferences(**{name: getattr(preferences, name) for name in Preferences.__dataclass_fields__})


def from_reason(reason: Reason, unnamed: AbstractSet[str] = frozenset()) -> feed_pb2.Reason:
    """A reason; a liked paper among the ``unnamed`` came without an id, and so has none in the answer."""
    return feed_pb2.Reason(
        type=REASON_TYPES[reason.reason_type],
        subject=reason.subject,
        paper_id="" if reason.paper_id in unnamed else reason.paper_id,
        similarity=reason.similarity,
    )


def check_user_id(user_id: str) -> str:
    """A valid user id."""
    return check_id(user_id, "user_id")
