from email import message_from_bytes
from email.policy import default

from mailer.domain.subscription import Schedule, SuppressionReason
from mailer.links import Links
from mailer.sending.confirmations import MAX_ATTEMPTS, send_confirmations
from mailer.storage import MailStore, confirmations, subscribers
from mailer.subscribers.subscriptions import Subscriptions
from testing.mailer.builders import NOW, FixedClock, settings_for
from testing.mailer.smtp_server import Inbox


def requested(store: MailStore, clock: FixedClock) -> None:
    """Request a subscription for Ada."""
    assert Subscriptions(store, clock).request("ada@example.org", Schedule(), 10, "web") is not None


def send(store: MailStore, inbox: Inbox, clock: FixedClock) -> int:
    """Send the confirmations that are due."""
    settings = settings_for(inbox.port)
    return send_confirmations(store, settings, Links(store.signing_key(), settings.base_url), clock)


def test_a_confirmation_is_sent_once(store: MailStore, inbox: Inbox) -> None:
    """A requested confirmation goes to its address once."""
    clock = FixedClock()
    requested(store, clock)

    assert send(store, inbox, clock) == 1
    clock.advance(days=1)
    assert send(store, inbox, clock) == 0

    assert inbox.addresses == ["ada@example.org"]
    subject = str(message_from_bytes(inbox.messages[0][1], policy=default)["Subject"])
    assert subject == "Please confirm: paperfeed"


def test_a_refused_confirmation_is_repeated(store: MailStore, inbox: Inbox) -> None:
    """A confirmation refused for the moment is sent again later, up to a number of attempts."""
    clock, tried = FixedClock(), list[str]()

    def refuse(recipient: str) -> str:
        tried.append(recipient)
        return "450 4.2.0 later"

    inbox.refuse_recipient = refuse
    requested(store, clock)
    assert send(store, inbox, clock) == 0
    assert send(store, inbox, clock) == 0
    assert len(tried) == 1
    for _ in range(MAX_ATTEMPTS + 2):
        clock.advance(hours=2)
        send(store, inbox, clock)

    assert len(tried) == MAX_ATTEMPTS


def test_a_confirmation_that_is_no_longer_needed(store: MailStore, inbox: Inbox) -> None:
    """If the subscription no longer waits for a confirmation, none is sent."""
    clock = FixedClock()
    requested(store, clock)
    with store.write() as connection:
        found = subscribers.find_by_address(connection, "ada@example.org")
        assert found is not None
        subscribers.suppress(connection, found.address, SuppressionReason.MANUAL, "", NOW)
        confirmations.add(connection, found.subscriber_id, NOW)

    assert send(store, inbox, clock) == 0
    assert inbox.messages == []


def test_confirmations_in_the_database(each_store: MailStore) -> None:
    """A claimed or postponed confirmation is due again at the given time, with one more attempt."""
    clock = FixedClock()
    requested(each_store, clock)
    with each_store.write() as connection:
        ((subscriber_id, attempts),) = confirmations.claim(connection, NOW, FixedClock(NOW).now(), 5)
        assert attempts == 0
        clock.advance(minutes=5)
        confirmations.postpone(connection, subscriber_id, clock.now(), "450 later")
        assert confirmations.claim(connection, NOW, clock.now(), 5) == []
        assert confirmations.claim(connection, clock.now(), clock.now(), 5) == [(subscriber_id, 1)]
