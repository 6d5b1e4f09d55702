"""Subscribers, the record of their consents, and the addresses to which no mail may be sent.

Every function but ``pages`` works in the caller's transaction.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from database.statements import insert_new
from mailer.domain.address import address_hash, address_key, user_id_hash
from mailer.domain.issue import IssueState
from mailer.domain.subscription import ConsentKind, Schedule, Subscriber, SubscriptionState, SuppressionReason
from mailer.errors import InvalidField
from mailer.storage.store import MailStore
from mailer.storage.tables import confirmations, consents, issues, subscribers, suppressions


def add(connection: Connection, subscriber: Subscriber) -> None:
    """Add a subscriber.

    Raises:
        InvalidField: The user or the address has a subscription already.
    """
    if find_by_user(connection, subscriber.user_id):
        raise InvalidField("user_id", f"'{subscriber.user_id}' has a subscription already")
    if find_by_address(connection, subscriber.address):
        raise InvalidField("address", f"'{subscriber.address}' has a subscription already")
    connection.execute(insert(subscribers), _values(subscriber))


def save(connection: Connection, subscriber: Subscriber) -> None:
    """Replace the stored fields of the subscriber."""
    changed = update(subscribers).where(subscribers.c.subscriber_id == subscriber.subscriber_id)
    connection.execute(changed.values(**_values(subscriber)))


def find(connection: Connection, subscriber_id: str) -> Subscriber | None:
    """Return the subscriber of this id."""
    return _one(connection, subscribers.c.subscriber_id == subscriber_id)


def find_by_user(connection: Connection, user_id: str) -> Subscriber | None:
    """Return the subscriber of this user of the service."""
    return _one(connection, subscribers.c.user_id == user_id)


def find_by_address(connection: Connection, address: str) -> Subscriber | None:
    """Return the subscriber of this address, in any of its spellings."""
    return _one(connection, subscribers.c.address_key == address_key(address))


def pages(store: MailStore, size: int, states: Iterable[SubscriptionState]) -> Iterator[Sequence[Subscriber]]:
    """Yield pages of the subscribers in these states, in order of subscriber_id, each in a transaction of its own."""
    after = ""
    statement = select(subscribers).where(subscribers.c.state.in_(list(states))).order_by(subscribers.c.subscriber_id)
    while True:
        with store.read() as connection:
            rows = connection.execute(statement.where(subscribers.c.subscriber_id > after).limit(size)).all()
        if not rows:
            return
        yield list(map(_subscriber, rows))
        after = rows[-1].subscriber_id


def remove(connection: Connection, subscriber_id: str) -> None:
    """Delete the subscriber with all their issues, reactions and consents."""
    connection.execute(delete(subscribers).where(subscribers.c.subscriber_id == subscriber_id))


def is_active(connection: Connection, subscriber_id: str) -> bool:
    """Return whether the subscription exists and is active. Lock it against deletion until the transaction ends."""
    statement = select(subscribers.c.state).where(subscribers.c.subscriber_id == subscriber_id)
    found = connection.execute(statement.with_for_update(read=True, key_share=True)).scalar_one_or_none()
    return found is SubscriptionState.ACTIVE


def record_consent(
    connection: Connection, subscriber: Subscriber, kind: ConsentKind, source: str, now: dt.datetime
) -> None:
    """Add to the record of consents.

    Args:
        source: Origin of the consent, e.g. ``web 192.0.2.7`` or an operator's reason.
    """
    row = {"subscriber_id": subscriber.subscriber_id, "address": subscriber.address, "kind": kind, "occurred_at": now}
    connection.execute(insert(consents), {**row, "source": source[:500]})


def find_suppression(connection: Connection, address: str) -> tuple[SuppressionReason, str] | None:
    """Return the (reason, detail) of a suppressed address; None if mail may be sent to it."""
    statement = select(suppressions.c.reason, suppressions.c.detail)
    row = connection.execute(statement.where(suppressions.c.address_hash == address_hash(address))).first()
    return None if row is None else (row.reason, row.detail)


def suppress(connection: Connection, address: str, reason: SuppressionReason, detail: str, now: dt.datetime) -> None:
    """Stop all mail to the address, known or not.

    Waiting issues and confirmations are cancelled, and confirmation links that were sent become invalid. The first
    reason is kept, unless it is UNSUBSCRIBED.
    """
    stop(connection, address, reason, detail, now)
    if (subscriber := find_by_address(connection, address)) is not None:
        end(connection, subscriber.subscriber_id, SubscriptionState.SUPPRESSED, now)
        mine = subscribers.c.subscriber_id == subscriber.subscriber_id
        connection.execute(update(subscribers).where(mine).values(confirm_nonce=""))
        connection.execute(delete(confirmations).where(confirmations.c.subscriber_id == subscriber.subscriber_id))
        record_consent(connection, subscriber, ConsentKind.SUPPRESSED, f"{reason.value}: {detail}", now)


def stop(connection: Connection, address: str, reason: SuppressionReason, detail: str, now: dt.datetime) -> None:
    """Record that no mail may be sent to the address. Subscriptions do not change."""
    row = {"address_hash": address_hash(address), "reason": reason, "detail": detail[:500], "created_at": now}
    if insert_new(connection, suppressions, row):
        return
    weaker = (suppressions.c.address_hash == row["address_hash"]) & (
        suppressions.c.reason == SuppressionReason.UNSUBSCRIBED
    )
    connection.execute(update(suppressions).where(weaker).values(**row))


def unsuppress(connection: Connection, address: str) -> bool:
    """Allow mail to the address, once its subscriber confirms again. Return whether the address was suppressed."""
    statement = delete(suppressions).where(suppressions.c.address_hash == address_hash(address))
    return bool(connection.execute(statement).rowcount)


def end(connection: Connection, subscriber_id: str, state: SubscriptionState, now: dt.datetime) -> None:
    """Set the state of a subscription that has ended, and cancel its waiting issues."""
    changed = update(subscribers).where(subscribers.c.subscriber_id == subscriber_id)
    connection.execute(changed.values(state=state, updated_at=now))
    waiting = (issues.c.subscriber_id == subscriber_id) & (issues.c.state == IssueState.DUE)
    connection.execute(update(issues).where(waiting).values(state=IssueState.CANCELLED, problem=state.value))


def _one(connection: Connection, condition: Any) -> Subscriber | None:
    row = connection.execute(select(subscribers).where(condition)).first()
    return None if row is None else _subscriber(row)


def _subscriber(row: Row[Any]) -> Subscriber:
    values = {each.name: getattr(row, each.name) for each in fields(Subscriber) if each.name != "schedule"}
    return Subscriber(**values, schedule=Schedule(tuple(row.weekdays), row.local_time, row.time_zone))


def _values(subscriber: Subscriber) -> dict[str, Any]:
    values = {name: value for name, value in vars(subscriber).items() if name != "schedule"}
    keys = {"user_id_hash": user_id_hash(subscriber.user_id), "address_key": address_key(subscriber.address)}
    return {**values, **vars(subscriber.schedule), **keys}
