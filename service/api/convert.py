"""Conversion between messages and domain values, with checks of a request's form. Domain rules are not checked here."""

import datetime as dt
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2
from service.domain.errors import InvalidField
from service.domain.events import Event, EventType, Preferences
from service.domain.feeds import FallbackReason, Reason, ReasonType
from service.domain.identifiers import MAX_ID_LENGTH, derived_paper_id
from service.domain.interests import Interest, InterestOrigin
from service.domain.papers import Digest, EmbeddingState, Paper, UpsertOutcome

EMBEDDING_STATES = {
    state: catalog_pb2.EmbeddingState.Value(f"EMBEDDING_STATE_{state.name}") for state in EmbeddingState
}
OUTCOMES = {outcome: catalog_pb2.WriteOutcome.Value(f"WRITE_OUTCOME_{outcome.name}") for outcome in UpsertOutcome}
FALLBACKS = {reason: feed_pb2.FallbackReason.Value(f"FALLBACK_REASON_{reason.name}") for reason in FallbackReason}
REASON_TYPES = {kind: feed_pb2.ReasonType.Value(f"REASON_TYPE_{kind.name}") for kind in ReasonType}
EVENT_TYPES = {profile_pb2.EventType.Value(f"EVENT_TYPE_{kind.name}"): kind for kind in EventType}
ORIGINS = {profile_pb2.InterestOrigin.Value(f"INTEREST_ORIGIN_{each.name}"): each for each in InterestOrigin}
ORIGIN_NUMBERS = {origin: number for number, origin in ORIGINS.items()}
EVENT_NUMBERS = {kind: number for number, kind in EVENT_TYPES.items()}


def parse_message(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    """Return the request message in ``data``; raise InvalidField if ``parse`` cannot read it."""
    try:
        return parse(data)
    except DecodeError as error:
        raise InvalidField("request", "is not a message of this RPC's type") from error


def to_timestamp(moment: dt.datetime | None) -> Timestamp | None:
    """Return the timestamp of an aware time; None for None."""
    if moment is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def from_timestamp(timestamp: Timestamp, field: str) -> dt.datetime:
    """Return the UTC time of a timestamp.

    Raises:
        InvalidField: The time is outside the years 1 to 9999, or its nanoseconds are out of range.
    """
    try:
        return timestamp.ToDatetime(tzinfo=dt.UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidField(field, "is not a valid timestamp") from error


def optional_share(message: Any, name: str) -> float | None:
    """Return the number from 0 to 1 in the field ``name``; None if it is not set. Raise InvalidField for others."""
    if not message.HasField(name):
        return None
    share: float = getattr(message, name)
    if not 0.0 <= share <= 1.0:
        raise InvalidField(name, f"is {share}; must be between 0 and 1")
    return share


def optional_time(message: Any, name: str, path: str = "") -> dt.datetime | None:
    """Return the time in field ``name``; None if the field is not set."""
    return from_timestamp(getattr(message, name), f"{path}{name}") if message.HasField(name) else None


def check_count(values: Sequence[Any], field: str, *, at_most: int, at_least: int = 0) -> None:
    """Raise InvalidField unless the number of entries is within the limits."""
    if not at_least <= len(values) <= at_most:
        raise InvalidField(field, f"has {len(values)} entries; {at_least} to {at_most} are allowed")


def check_name(name: str, field: str) -> str:
    """Return an id or alias of a request, trimmed. Aliases may be longer than ids, because they may be addresses."""
    if not name.strip():
        raise InvalidField(field, "must not be empty")
    if len(name) > 10 * MAX_ID_LENGTH:
        raise InvalidField(field, f"has {len(name)} characters; at most {10 * MAX_ID_LENGTH} are allowed")
    if "\x00" in name:
        raise InvalidField(field, "contains a NUL character")
    return name.strip()


def check_optional_name(name: str, field: str) -> str:
    """Return ``check_name``, or an empty name unchanged."""
    return check_name(name, field) if name else ""


def check_names(names: Sequence[str], field: str, *, at_most: int, at_least: int = 0) -> tuple[str, ...]:
    """Return the ids or aliases of a repeated field."""
    check_count(names, field, at_most=at_most, at_least=at_least)
    return tuple(check_name(name, f"{field}[{i}]") for i, name in enumerate(names))


def to_papers(messages: Sequence[catalog_pb2.Paper], field: str, *, at_most: int, at_least: int = 0) -> list[Paper]:
    """Return the papers of a repeated field."""
    check_count(messages, field, at_most=at_most, at_least=at_least)
    return [to_paper(message, f"{field}[{i}]") for i, message in enumerate(messages)]


def to_paper(message: catalog_pb2.Paper, path: str) -> Paper:
    """Return the paper of a message; derive its paper_id if it has none."""
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


# Pages of different users share papers, and making a message takes as long as ranking a paper.
@lru_cache(maxsize=4_096)
def shared_paper(paper: Paper, view: int) -> catalog_pb2.Paper:
    """Return the cached message of ``from_paper``. Do not change it; putting it into another message copies it."""
    return from_paper(paper, view)


def from_paper(paper: Paper, view: int = catalog_pb2.PAPER_VIEW_FULL) -> catalog_pb2.Paper:
    """Return the message of a stored paper, without the abstract unless the view is FULL."""
    return catalog_pb2.Paper(
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract if view == catalog_pb2.PAPER_VIEW_FULL else "",
        authors=paper.authors,
        categories=paper.categories,
        url=paper.url,
        published_at=to_timestamp(paper.published_at),
        first_seen_at=to_timestamp(paper.first_seen_at),
        upvotes=paper.upvotes,
        embedding_state=EMBEDDING_STATES[paper.embedding_state],
    )


def check_view(view: int) -> int:
    """Return ``view`` if it is a known PaperView; raise InvalidField otherwise."""
    if view not in catalog_pb2.PaperView.values():
        raise InvalidField("view", f"{view} is not a known view")
    return view


def to_date(date: dt.date) -> Date:
    """Return the message of a day."""
    return Date(year=date.year, month=date.month, day=date.day)


def from_date(message: Date, field: str) -> dt.date:
    """Return the day of a message; raise InvalidField if a part is missing or out of range."""
    try:
        return dt.date(message.year, message.month, message.day)
    except (ValueError, OverflowError) as error:
        problem = f"year {message.year}, month {message.month}, day {message.day} is not a day"
        raise InvalidField(field, problem) from error


def to_digest(message: catalog_pb2.Digest, path: str, *, at_most: int) -> Digest:
    """Return the digest of a message; its paper_ids may be aliases."""
    return Digest(
        digest_id=message.digest_id,
        date=from_date(message.date, f"{path}.date"),
        title=message.title,
        source=message.source,
        paper_ids=check_names(message.paper_ids, f"{path}.paper_ids", at_most=at_most),
    )


def from_digest(digest: Digest, paper_count: int | None = None) -> catalog_pb2.Digest:
    """Return the message of a stored digest."""
    return catalog_pb2.Digest(
        digest_id=digest.digest_id,
        date=to_date(digest.date),
        title=digest.title,
        source=digest.source,
        paper_ids=digest.paper_ids,
        paper_count=len(digest.paper_ids) if paper_count is None else paper_count,
        created_at=to_timestamp(digest.created_at),
    )


def to_event(message: profile_pb2.Event, path: str) -> Event:
    """Return the event of a message; its paper_id may be an alias, and its event_id may be empty."""
    kind = EVENT_TYPES.get(message.event_type)
    if kind is None:
        raise InvalidField(f"{path}.event_type", f"{message.event_type} is not a known event type")
    return Event(
        event_id=message.event_id,
        user_id=message.user_id,
        paper_id=check_name(message.paper_id, f"{path}.paper_id"),
        event_type=kind,
        occurred_at=optional_time(message, "occurred_at", f"{path}."),
        slate_id=message.slate_id,
    )


def from_event(event: Event) -> profile_pb2.Event:
    """Return the message of a stored event."""
    return profile_pb2.Event(
        event_id=event.event_id,
        user_id=event.user_id,
        paper_id=event.paper_id,
        event_type=EVENT_NUMBERS[event.event_type],
        occurred_at=to_timestamp(event.occurred_at),
        slate_id=event.slate_id,
    )


def to_preferences(message: profile_pb2.Preferences) -> Preferences:
    """Return the preferences of a message."""
    return Preferences(**{name: tuple(getattr(message, name)) for name in Preferences.__dataclass_fields__})


def from_preferences(preferences: Preferences) -> profile_pb2.Preferences:
    """Return the message of stored preferences."""
    return profile_pb2.Preferences(**{name: getattr(preferences, name) for name in Preferences.__dataclass_fields__})


def from_interest(interest: Interest, *, papers: int | None = None) -> profile_pb2.Interest:
    """Return the message of an interest.

    Args:
        papers: Maximum number of papers in the message; None for all.
    """
    return profile_pb2.Interest(
        interest_id=interest.interest_id,
        name=interest.name,
        origin=ORIGIN_NUMBERS[interest.origin],
        weight=interest.weight,
        paused=interest.paused,
        like_count=interest.like_count,
        paper_ids=interest.paper_ids[:papers],
        merged_interest_ids=interest.merged_ids,
    )


def from_reason(reason: Reason, unnamed: AbstractSet[str] = frozenset()) -> Any:
    """Return the fields of a feed_pb2.Reason, which a message takes in place of it.

    Args:
        unnamed: Derived ids of liked papers sent without an id; they are left out.
    """
    kind, subject, paper_id, similarity = reason
    return {
        "type": REASON_TYPES[kind],
        "subject": subject,
        "paper_id": "" if paper_id in unnamed else paper_id,
        "similarity": similarity,
    }
