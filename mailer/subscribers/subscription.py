"""Who gets mail, when, and on what consent."""

import datetime as dt
import enum
from dataclasses import dataclass

MAX_PAPERS = 50


class SubscriptionState(enum.Enum):
    """Where a subscription stands. Only ACTIVE ones get issues."""

    PENDING = "pending"
    """Asked for; the address has not confirmed yet."""
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    """The address bounced or complained."""


class ConsentKind(enum.Enum):
    """What happened to a consent; the record is only ever added to."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    """An operator vouches for it; ``source`` says on what ground."""
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"


class SuppressionReason(enum.Enum):
    """Why no mail may go to an address."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBED = "unsubscribed"
    MANUAL = "manual"


@dataclass(frozen=True)
class Schedule:
    """When a subscriber wants an issue.

    Attributes:
        weekdays: ISO weekdays, 1 Monday to 7 Sunday, ascending; all seven for daily, one for weekly.
        local_time: In the subscriber's zone.
        time_zone: IANA name, e.g. Europe/Vienna.
    """

    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    local_time: dt.time = dt.time(7)
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Subscriber:
    """One reader with one address.

    Attributes:
        subscriber_id: Random, names the subscriber in links; tells nothing.
        user_id: In the feed service.
        address: As given, for the envelope and To.
        paper_count: Papers in an issue, 1 to 50.
        confirm_nonce: What the opt-in link must bear; changes with every request and is empty once used.
    """

    subscriber_id: str
    user_id: str
    address: str
    name: str
    state: SubscriptionState
    schedule: Schedule
    paper_count: int
    confirm_nonce: str
    created_at: dt.datetime
    updated_at: dt.datetime
