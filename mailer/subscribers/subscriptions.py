"""Use cases of subscriptions: request, confirm, change, unsubscribe and import.

Subscribing by the web uses double opt-in. Each step is added to the record of consents.
"""

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mailer.clock import Clock
from mailer.domain.address import parse_address
from mailer.domain.subscription import (
    MAX_PAPERS,
    ConsentKind,
    Schedule,
    Subscriber,
    SubscriptionState,
    SuppressionReason,
)
from mailer.errors import AddressSuppressed, InvalidField, LinkRefused, NotFound
from mailer.links import Claim, Purpose
from mailer.storage import MailStore, confirmations, subscribers
from mailer.subscribers.schedule import check_schedule
from mailer.user_ids import user_id_problem

CONFIRMATION_EVERY = dt.timedelta(minutes=10)
"""Minimum time between two confirmation messages to one address."""
MAX_NAME = 100


class Entry(NamedTuple):
    """A subscription that an operator adds; the fields are those of ``Subscriber``."""

    user_id: str
    address: str
    name: str = ""
    schedule: Schedule = Schedule()
    paper_count: int = 10
    has_sections: bool = False
    min_probability: float | None = None


@dataclass(frozen=True)
class Subscriptions:
    """The actions of subscribers and operators on subscriptions."""

    store: MailStore
    clock: Clock

    def request(self, address: str, schedule: Schedule, paper_count: int, source: str) -> Subscriber | None:
        """Request a subscription: store it as pending, queue a confirmation message, and return the subscriber.

        Return None if mail to the address is stopped, the subscription is active, or a confirmation was requested less
        than ten minutes ago. The caller must answer alike in all cases, to tell strangers nothing about an address.

        Args:
            source: Origin of the request, for the record of consents.

        Raises:
            InvalidField: The address, schedule or number of papers is invalid.
        """
        parsed, now = parse_address(address), self.clock.now()
        check_schedule(schedule)
        check_paper_count(paper_count)
        with self.store.write() as connection:
            stopped = subscribers.find_suppression(connection, parsed)
            if stopped is not None and stopped[0] is not SuppressionReason.UNSUBSCRIBED:
                return None
            known = subscribers.find_by_address(connection, parsed)
            is_recent = known is not None and now - known.updated_at < CONFIRMATION_EVERY
            if known is None:
                known = _new(parsed, f"mail-{secrets.token_hex(8)}", "", schedule, paper_count, now)
                subscribers.add(connection, known)
            elif known.state is SubscriptionState.ACTIVE or (is_recent and known.state is SubscriptionState.PENDING):
                return None
            else:
                known = replace(known, schedule=schedule, paper_count=paper_count)
            pending = replace(
                known, state=SubscriptionState.PENDING, confirm_nonce=secrets.token_urlsafe(12), updated_at=now
            )
            subscribers.save(connection, pending)
            subscribers.record_consent(connection, pending, ConsentKind.REQUESTED, source, now)
            confirmations.add(connection, pending.subscriber_id, now)
            return pending

    def confirm(self, claim: Claim, source: str) -> Subscriber:
        """Activate the subscription that a confirmation link names. Each link works once.

        Raises:
            LinkRefused: The link was used, a newer one was sent, or mail to the address was stopped meanwhile.
        """
        now = self.clock.now()
        with self.store.write() as connection:
            found = subscribers.find(connection, claim.subscriber_id)
            nonce = found.confirm_nonce if found else ""
            if found is None or not nonce or not secrets.compare_digest(nonce, claim.detail):
                raise LinkRefused("it was used already, or a newer one was sent")
            stopped = subscribers.find_suppression(connection, found.address)
            if stopped is not None and stopped[0] is not SuppressionReason.UNSUBSCRIBED:
                raise LinkRefused("mail to this address was stopped")
            subscribers.unsuppress(connection, found.address)
            active = replace(found, state=SubscriptionState.ACTIVE, confirm_nonce="", updated_at=now)
            subscribers.save(connection, active)
            subscribers.record_consent(connection, active, ConsentKind.CONFIRMED, source, now)
            return active

    def unsubscribe(self, claim: Claim, source: str) -> bool:
        """End the subscription at once, and return whether it was still running.

        Repeated calls, and calls for a removed subscriber, change nothing.
        """
        assert claim.purpose is Purpose.UNSUBSCRIBE  # noqa: S101 (the caller read the token for this purpose)
        now = self.clock.now()
        with self.store.write() as connection:
            found = subscribers.find(connection, claim.subscriber_id)
            if found is None or found.state in {SubscriptionState.UNSUBSCRIBED, SubscriptionState.SUPPRESSED}:
                return False
            subscribers.end(connection, found.subscriber_id, SubscriptionState.UNSUBSCRIBED, now)
            subscribers.record_consent(connection, found, ConsentKind.UNSUBSCRIBED, source, now)
            # This row outlives the subscriber: no later import renews the subscription, only a confirmation does.
            subscribers.stop(connection, found.address, SuppressionReason.UNSUBSCRIBED, "", now)
            return True

    def change(
        self, subscriber_id: str, schedule: Schedule, paper_count: int, name: str, *, has_sections: bool | None = None
    ) -> Subscriber:
        """Change the schedule, number of papers and name of a subscriber, and return the changed subscriber.

        Args:
            has_sections: Whether issues have a section for each interest; None leaves it as it is.

        Raises:
            InvalidField: One of the values is invalid.
            NotFound: There is no such subscriber.
        """
        check_schedule(schedule)
        check_paper_count(paper_count)
        with self.store.write() as connection:
            found = subscribers.find(connection, subscriber_id)
            if found is None:
                raise NotFound("subscriber", subscriber_id)
            changed = replace(
                found,
                schedule=schedule,
                paper_count=paper_count,
                name=check_name(name),
                has_sections=found.has_sections if has_sections is None else has_sections,
                updated_at=self.clock.now(),
            )
            subscribers.save(connection, changed)
            return changed

    def add_many(
        self,
        wanted: Sequence[Entry],
        source: str,
        *,
        stopped: dict[int, SuppressionReason] | None = None,
    ) -> int:
        """Add active subscriptions whose consent an operator has, all or none; return the number of new ones.

        A user who already has a subscription with the same address keeps it unchanged.

        Args:
            source: Grounds of the consent, for the record of consents.
            stopped: Receives the reasons for stopped addresses, by zero-based number of the entry. If it is given, such
                entries are skipped.

        Raises:
            InvalidField: An entry is invalid; the field is ``subscribers[number].field`` with a zero-based number.
            AddressSuppressed: Mail to one of the addresses is stopped, and ``stopped`` is None.
        """
        now, added = self.clock.now(), 0
        with self.store.write() as connection:
            for number, entry in enumerate(wanted):
                try:
                    new = replace(
                        _new(
                            parse_address(entry.address),
                            check_user_id(entry.user_id),
                            entry.name,
                            entry.schedule,
                            entry.paper_count,
                            now,
                        ),
                        has_sections=entry.has_sections,
                        min_probability=check_min_probability(entry.min_probability),
                    )
                    if why := subscribers.find_suppression(connection, new.address):
                        if stopped is None:
                            raise AddressSuppressed(why[0].value)
                        stopped[number] = why[0]
                        continue
                    known = subscribers.find_by_user(connection, entry.user_id)
                    if known is not None and known.address == new.address:
                        continue
                    active = replace(new, state=SubscriptionState.ACTIVE)
                    subscribers.add(connection, active)
                except InvalidField as error:
                    raise InvalidField(f"subscribers[{number}].{error.field}", error.problem) from None
                subscribers.record_consent(connection, new, ConsentKind.IMPORTED, source, now)
                added += 1
        return added


def check_paper_count(count: int) -> int:
    """Return the number of papers if an issue can hold it; raise InvalidField otherwise."""
    if not 1 <= count <= MAX_PAPERS:
        raise InvalidField("paper_count", f"is {count}; must be 1 to {MAX_PAPERS}")
    return count


def check_min_probability(limit: float | None) -> float | None:
    """Return a subscriber's own limit if it is None or 0 to 1; raise InvalidField otherwise."""
    if limit is not None and not 0 <= limit <= 1:
        raise InvalidField("min_probability", f"is {limit}; must be 0 to 1")
    return limit


def check_name(name: str) -> str:
    """Return the name, stripped, if a header can hold it; raise InvalidField otherwise."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidField("name", f"must be at most {MAX_NAME} printable characters")
    return name.strip()


def check_user_id(user_id: str) -> str:
    """Return the user id if the feed service accepts it; raise InvalidField otherwise."""
    # An empty id is as invalid as a space.
    if problem := user_id_problem(user_id or " "):
        raise InvalidField("user_id", problem)
    return user_id


def _new(address: str, user_id: str, name: str, schedule: Schedule, paper_count: int, now: dt.datetime) -> Subscriber:
    return Subscriber(
        subscriber_id=secrets.token_urlsafe(9),
        user_id=user_id,
        address=address,
        name=check_name(name),
        state=SubscriptionState.PENDING,
        schedule=check_schedule(schedule),
        paper_count=check_paper_count(paper_count),
        confirm_nonce="",
        created_at=now,
        updated_at=now,
    )
