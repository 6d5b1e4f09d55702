"""Subscribers, their schedules, their consents and the reasons for stopped mail."""

import datetime as dt
import enum
from dataclasses import dataclass

MAX_PAPERS = 50


class SubscriptionState(enum.Enum):
    """The state of a subscription. Only ACTIVE subscriptions receive issues."""

    PENDING = "pending"
    """The subscription was requested, and the address has not been confirmed yet."""
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    """Mail to the address is stopped because of a bounce, a complaint or an operator."""


class ConsentKind(enum.Enum):
    """The kind of an entry in the append-only record of consents."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    """An operator confirmed the consent; ``source`` gives the grounds."""
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"


class SuppressionReason(enum.Enum):
    """The reason why mail to an address is stopped."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBED = "unsubscribed"
    MANUAL = "manual"


@dataclass(frozen=True)
class Schedule:
    """The days and the time at which a subscriber wants an issue.

    Attributes:
        weekdays: ISO weekdays, 1 (Monday) to 7 (Sunday), ascending.
        local_time: Time of day in ``time_zone``.
        time_zone: IANA name, e.g. Europe/Vienna.
    """

    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    local_time: dt.time = dt.time(7)
    time_zone: str = "UTC"

    @property
    def days_in_words(self) -> str:
        """The weekdays in words: ``daily``, ``Mon-Fri`` or ``Mon, Wed``."""
        known = {(1, 2, 3, 4, 5, 6, 7): "daily", (1, 2, 3, 4, 5): "Mon-Fri"}
        names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        return known.get(self.weekdays) or ", ".join(names[day - 1] for day in self.weekdays)


@dataclass(frozen=True)
class Subscriber:
    """A person with one e-mail address who subscribes to the digest.

    Attributes:
        subscriber_id: Random id that names the subscriber in links.
        user_id: Id of the user in the feed service.
        address: Address for the envelope and the To header.
        paper_count: Number of papers in an issue, 1 to 50.
        has_sections: Whether the issues have a section for each interest of the user.
        min_probability: Lowest probability, 0 to 1, of a paper in an issue; 0 means no limit, and None the limit of the
            settings.
        confirm_nonce: Nonce that the confirmation link must contain. Each request replaces it; use empties it.
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
    has_sections: bool = False
    min_probability: float | None = None

    def limit(self, usual: float) -> float:
        """Return the lowest probability of a paper in an issue; 0 means no limit.

        Args:
            usual: The limit of the settings.
        """
        return usual if self.min_probability is None else self.min_probability
