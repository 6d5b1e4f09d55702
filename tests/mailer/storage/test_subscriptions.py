import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from mailer.domain.address import address_hash
from mailer.domain.subscription import ConsentKind, Schedule, Subscriber, SubscriptionState, SuppressionReason
from mailer.errors import AddressSuppressed, InvalidField, LinkRefused, NotFound
from mailer.links import Claim, Purpose
from mailer.storage import MailStore, confirmations, deletions, subscribers
from mailer.storage.tables import consents
from mailer.subscribers.subscriptions import Entry, Subscriptions
from testing.mailer.builders import NOW, FixedClock, subscriber

DAILY = Schedule()
GONE = (address_hash("u000001"), NOW + dt.timedelta(minutes=1))


def stored(store: MailStore, subscriber_id: str) -> Subscriber:
    """Return the stored subscriber."""
    with store.read() as connection:
        found = subscribers.find(connection, subscriber_id)
    assert found is not None
    return found


def kinds(store: MailStore, subscriber_id: str) -> list[ConsentKind]:
    """Return the record of consents."""
    with store.read() as connection:
        return kinds_in(connection, subscriber_id)


def kinds_in(connection: Connection, subscriber_id: str) -> list[ConsentKind]:
    """Return the record of consents within an open transaction."""
    mine = select(consents.c.kind).where(consents.c.subscriber_id == subscriber_id)
    return list(connection.scalars(mine.order_by(consents.c.sequence)))


def confirm_claim(found: Subscriber) -> Claim:
    """Return the content of the link in the confirmation message."""
    return Claim(Purpose.CONFIRM, found.subscriber_id, detail=found.confirm_nonce)


def test_double_opt_in(each_store: MailStore) -> None:
    """A requested subscription is confirmed once, by the newest link, and each step is recorded."""
    clock = FixedClock()
    service = Subscriptions(each_store, clock)

    requested = service.request("Ada@example.org", DAILY, 10, "web 192.0.2.7")
    assert requested is not None
    assert stored(each_store, requested.subscriber_id).state is SubscriptionState.PENDING
    confirmed = service.confirm(confirm_claim(requested), "web 192.0.2.8")

    assert stored(each_store, requested.subscriber_id) == confirmed
    assert confirmed.state is SubscriptionState.ACTIVE
    assert kinds(each_store, requested.subscriber_id) == [ConsentKind.REQUESTED, ConsentKind.CONFIRMED]
    with pytest.raises(LinkRefused, match="used already"):
        service.confirm(confirm_claim(requested), "web")


def test_requesting_again(each_store: MailStore) -> None:
    """A second request within ten minutes sends nothing; a later one invalidates the first link."""
    clock = FixedClock()
    service = Subscriptions(each_store, clock)
    first = service.request("ada@example.org", DAILY, 10, "web")
    assert first is not None

    assert service.request("ADA@example.org", DAILY, 10, "web") is None
    clock.advance(minutes=11)
    second = service.request("ADA@example.org", replace(DAILY, weekdays=(5,)), 20, "web")

    assert second is not None
    assert second.subscriber_id == first.subscriber_id
    assert (second.schedule.weekdays, second.paper_count) == ((5,), 20)
    with pytest.raises(LinkRefused):
        service.confirm(confirm_claim(first), "web")
    service.confirm(confirm_claim(second), "web")
    assert service.request("ada@example.org", DAILY, 5, "web") is None
    assert stored(each_store, first.subscriber_id).paper_count == 20


def test_leaving_and_coming_back(each_store: MailStore) -> None:
    """Unsubscribing works at once and repeatedly; a new confirmation renews the subscription."""
    clock = FixedClock()
    service = Subscriptions(each_store, clock)
    requested = service.request("ada@example.org", DAILY, 10, "web")
    assert requested is not None
    service.confirm(confirm_claim(requested), "web")
    leave = Claim(Purpose.UNSUBSCRIBE, requested.subscriber_id, "i1")

    assert service.unsubscribe(leave, "one-click")
    assert not service.unsubscribe(leave, "one-click")
    assert not service.unsubscribe(Claim(Purpose.UNSUBSCRIBE, "gone"), "one-click")
    assert stored(each_store, requested.subscriber_id).state is SubscriptionState.UNSUBSCRIBED
    again = service.request("ada@example.org", DAILY, 10, "web")
    assert again is not None
    assert service.confirm(confirm_claim(again), "web").state is SubscriptionState.ACTIVE
    assert kinds(each_store, requested.subscriber_id)[2] is ConsentKind.UNSUBSCRIBED


def test_suppressed_addresses(each_store: MailStore) -> None:
    """A suppressed address cannot be subscribed, by web or by an operator, until the suppression is lifted."""
    service = Subscriptions(each_store, FixedClock())
    with each_store.write() as connection:
        subscribers.add(connection, subscriber(1))
        subscribers.suppress(connection, "Subscriber1@example.org", SuppressionReason.BOUNCE, "5.1.1", NOW)
        subscribers.suppress(connection, "never@example.org", SuppressionReason.MANUAL, "", NOW)
        subscribers.suppress(connection, "subscriber1@example.org", SuppressionReason.COMPLAINT, "", NOW)

    assert stored(each_store, "s000001").state is SubscriptionState.SUPPRESSED
    with each_store.read() as connection:
        assert subscribers.find_suppression(connection, "subscriber1@example.org") == (
            SuppressionReason.BOUNCE,
            "5.1.1",
        )
    assert service.request("subscriber1@example.org", DAILY, 10, "web") is None
    with pytest.raises(AddressSuppressed, match="manual"):
        service.add_many([Entry("u9", "never@example.org", "", DAILY, 10)], "a list")
    with each_store.write() as connection:
        assert subscribers.unsuppress(connection, "never@example.org")
        assert not subscribers.unsuppress(connection, "never@example.org")
    assert service.add_many([Entry("u9", "never@example.org", "", DAILY, 10)], "a list") == 1


def test_an_import_is_all_or_nothing(each_store: MailStore) -> None:
    """An invalid entry is named by its number and nobody is added; repeating an import adds nothing."""
    service = Subscriptions(each_store, FixedClock())
    good = [Entry(f"u{n}", f"r{n}@example.org", "Ada", DAILY, 10) for n in range(5)]
    for bad, field in (
        (Entry("u9", "no address", "", DAILY, 10), "subscribers[5].address"),
        (Entry("u 9", "a@example.org", "", DAILY, 10), "subscribers[5].user_id"),
        (Entry("u9", "a@example.org", "A\nBcc: x", DAILY, 10), "subscribers[5].name"),
        (Entry("u9", "a@example.org", "", DAILY, 51), "subscribers[5].paper_count"),
        (Entry("u9", "a@example.org", min_probability=1.1), "subscribers[5].min_probability"),
        (Entry("u9", "a@example.org", "", replace(DAILY, time_zone="Mars/Base"), 10), "subscribers[5].time_zone"),
        (Entry("u9", "a@example.org", "", replace(DAILY, weekdays=(7, 1)), 10), "subscribers[5].weekdays"),
        (Entry("u9", "R1@example.org", "", DAILY, 10), "subscribers[5].address"),
        (Entry("u1", "other@example.org", "", DAILY, 10), "subscribers[5].user_id"),
    ):
        with pytest.raises(InvalidField) as caught:
            service.add_many([*good, bad], "a list")
        assert caught.value.field == field
        assert not list(subscribers.pages(each_store, 10, SubscriptionState))

    assert service.add_many(good, "a list") == 5
    assert service.add_many(good, "a list") == 0


def test_changing(each_store: MailStore) -> None:
    """Schedule, number of papers and name can be changed; an invalid value is refused and nothing changes."""
    service = Subscriptions(each_store, FixedClock())
    with each_store.write() as connection:
        subscribers.add(connection, subscriber(1))
    weekly = Schedule((1,), dt.time(6, 30), "Asia/Kathmandu")

    assert service.change("s000001", weekly, 25, "Ada").schedule == weekly
    with pytest.raises(InvalidField, match="Mars"):
        service.change("s000001", replace(weekly, time_zone="Mars/Base"), 25, "Ada")
    with pytest.raises(NotFound):
        service.change("s9", weekly, 25, "")

    assert stored(each_store, "s000001").schedule == weekly


def test_deletions_are_carried_out_once(each_store: MailStore) -> None:
    """A deletion removes the subscriber with all records, unless a later consent exists; it has effect only once."""
    with each_store.write() as connection:
        for number in range(1, 6):
            subscribers.add(connection, subscriber(number))
        subscribers.record_consent(connection, subscriber(2), ConsentKind.IMPORTED, "a list", NOW)
        subscribers.record_consent(connection, subscriber(3), ConsentKind.CONFIRMED, "web", NOW + dt.timedelta(hours=2))
        an_hour_later = NOW + dt.timedelta(hours=1)
        deleted = [(address_hash(user), an_hour_later) for user in ("u000002", "u000003", "unknown")]

        assert deletions.carry_out(connection, deleted) == 1

        assert kinds_in(connection, "s000002") == []
        kept = [number for number in range(1, 6) if subscribers.find(connection, f"s{number:06d}")]
        # A new subscription whose date, by the mailer's clock, is before the deletion.
        subscribers.add(connection, subscriber(2))
        assert deletions.read_from(connection) == an_hour_later - deletions.OVERLAP
        assert deletions.carry_out(connection, deleted) == 0
        assert subscribers.find_by_user(connection, "u000002") is not None
    assert kept == [1, 3, 4, 5]


def test_pages(each_store: MailStore) -> None:
    """Pages hold the subscribers in the wanted states, in order."""
    with each_store.write() as connection:
        for number in range(1, 6):
            subscribers.add(connection, subscriber(number))
        subscribers.end(connection, "s000002", SubscriptionState.UNSUBSCRIBED, NOW)

    found = subscribers.pages(each_store, 2, {SubscriptionState.ACTIVE})
    assert [[each.subscriber_id[-1] for each in page] for page in found] == [["1", "3"], ["4", "5"]]
    assert sum(len(page) for page in subscribers.pages(each_store, 2, SubscriptionState)) == 5


def test_a_deletion_that_shows_late(each_store: MailStore) -> None:
    """A deletion that becomes visible after a later one is carried out too."""
    with each_store.write() as connection:
        subscribers.add(connection, subscriber(1))
        deletions.carry_out(connection, [("other", NOW + dt.timedelta(minutes=9))])

        assert deletions.carry_out(connection, [("other", NOW + dt.timedelta(minutes=9)), GONE]) == 1


@pytest.mark.parametrize("reason", [SuppressionReason.MANUAL, SuppressionReason.COMPLAINT, SuppressionReason.BOUNCE])
def test_a_pending_link_lifts_nothing(each_store: MailStore, reason: SuppressionReason) -> None:
    """A confirmation link does not lift a suppression that came after the request."""
    service = Subscriptions(each_store, FixedClock())
    requested = service.request("ada@example.org", DAILY, 10, "web")
    other = service.request("emmy@example.org", DAILY, 10, "web")
    assert requested is not None
    assert other is not None
    with each_store.write() as connection:
        subscribers.suppress(connection, "ada@example.org", reason, "", NOW)
        subscribers.stop(connection, "emmy@example.org", reason, "", NOW)
        assert [each for each, _ in confirmations.claim(connection, NOW, NOW, 9)] == [other.subscriber_id]

    for each in (requested, other):
        with pytest.raises(LinkRefused):
            service.confirm(confirm_claim(each), "web")

    with each_store.read() as connection:
        for address in ("ada@example.org", "emmy@example.org"):
            assert subscribers.find_suppression(connection, address) == (reason, "")
    assert stored(each_store, requested.subscriber_id).state is SubscriptionState.SUPPRESSED


def test_unsubscribing_outlives_the_subscriber(each_store: MailStore) -> None:
    """After unsubscribing and removal, no import renews a subscription; a request does, unless there is a complaint."""
    service = Subscriptions(each_store, FixedClock())
    entry = Entry("ada", "ada@example.org", "", DAILY, 10)
    service.add_many([entry], "a list")
    with each_store.write() as connection:
        found = subscribers.find_by_user(connection, "ada")
        assert found is not None
    service.unsubscribe(Claim(Purpose.UNSUBSCRIBE, found.subscriber_id), "one-click")
    with each_store.write() as connection:
        subscribers.remove(connection, found.subscriber_id)

    with pytest.raises(AddressSuppressed, match="unsubscribed"):
        service.add_many([entry], "the same list")
    requested = service.request("ada@example.org", DAILY, 10, "web")
    assert requested is not None
    assert service.confirm(confirm_claim(requested), "web").state is SubscriptionState.ACTIVE

    service.unsubscribe(Claim(Purpose.UNSUBSCRIBE, requested.subscriber_id), "one-click")
    with each_store.write() as connection:
        subscribers.suppress(connection, "ada@example.org", SuppressionReason.COMPLAINT, "", NOW)
    assert service.request("ada@example.org", DAILY, 10, "web") is None
