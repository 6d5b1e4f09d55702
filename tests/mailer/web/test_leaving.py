"""Unsubscribing with the button of the page and with one-click POST (RFC 8058)."""

import urllib.request

import pytest

from mailer.domain.subscription import SubscriptionState
from mailer.links import Links, Purpose
from mailer.storage import MailStore, subscribers
from tests.mailer.site import RunningSite
from tests.mailer.web.reading import state_of, url

URLENCODED = ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")
MULTIPART = (
    "multipart/form-data; boundary=----x",
    b'------x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n------x--\r\n',
)
BROKEN = ("multipart/form-data; boundary=----x", b"------x\r\nContent")
EMPTY = ("text/plain", b"")
LARGE = ("application/x-www-form-urlencoded", b"x" * 200_000)


def post(link: str, content_type: str, body: bytes) -> int:
    """Send the POST of a mail provider and return the status."""
    headers = {"Content-Type": content_type, "User-Agent": "Receiver/1.0"}
    request = urllib.request.Request(link, data=body, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        status: int = answer.status
        return status


def test_unsubscribing(site: RunningSite, store: MailStore) -> None:
    """The link shows a question, a one-click POST ends the subscription, and repeating it answers 200."""
    link = url(site, Purpose.UNSUBSCRIBE)
    assert "Unsubscribe?" in site.ask(link).text
    assert state_of(store) is SubscriptionState.ACTIVE

    for _ in range(2):
        assert site.ask(link, {"List-Unsubscribe": "One-Click"}).status == 200

    assert state_of(store) is SubscriptionState.UNSUBSCRIBED
    with store.write() as connection:
        subscribers.remove(connection, "s000001")
    assert site.ask(link, {"List-Unsubscribe": "One-Click"}).status == 200


@pytest.mark.parametrize("sent", [URLENCODED, MULTIPART, BROKEN, EMPTY, LARGE])
def test_bodies_of_one_click(site: RunningSite, store: MailStore, sent: tuple[str, bytes]) -> None:
    """A one-click POST works with both content types of RFC 8058 and with an unreadable or large body."""
    assert post(url(site, Purpose.UNSUBSCRIBE), *sent) == 200

    assert state_of(store) is SubscriptionState.UNSUBSCRIBED
    assert state_of(store, "s000002") is SubscriptionState.ACTIVE


def test_one_click_is_never_too_often(site: RunningSite, store: MailStore) -> None:
    """Valid POSTs from one address are not limited, not even after many invalid tokens."""
    stranger = Links(b"x" * 32, site.base_url).url(Purpose.UNSUBSCRIBE, "s000001")
    bad = [site.ask(stranger, {}).status for _ in range(310)]
    assert set(bad[:300]) == {403}
    assert set(bad[300:]) == {429}

    links = [url(site, Purpose.UNSUBSCRIBE, number=1 + number % 2) for number in range(310)]
    assert {post(link, *URLENCODED) for link in links} == {200}

    assert state_of(store, "s000002") is SubscriptionState.UNSUBSCRIBED
