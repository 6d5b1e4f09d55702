"""Who may read: a personal installation on this machine, links of mails, and a sign-in by mail."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select

from mailer.config import MailSettings
from mailer.domain.subscription import SubscriptionState, SuppressionReason
from mailer.links import Claim, Links, Purpose
from mailer.sending.confirmations import send_confirmations
from mailer.service import FeedService
from mailer.storage import MailStore, subscribers
from mailer.storage.tables import confirmations
from mailer.web.reading.users import COOKIE
from testing.mailer.builders import NOW, FixedClock, address, settings_for, subscriber
from testing.mailer.smtp_server import Inbox
from tests.mailer.site import RunningSite, running_site
from tests.mailer.web.pages.conftest import Visitor, cookie_of, path_of


@pytest.fixture
def closed(store: MailStore) -> Iterator[RunningSite]:
    """The pages of an installation for subscribers, with one of them and without a feed service."""
    with store.write() as connection:
        subscribers.add(connection, subscriber(1))
        subscribers.add(connection, replace(subscriber(2), state=SubscriptionState.UNSUBSCRIBED))
    with (
        FeedService("127.0.0.1:1", timeout_seconds=0.2) as service,
        running_site(store, service, MailSettings.read({}), FixedClock()) as site,
    ):
        yield site


def waiting(store: MailStore) -> list[str]:
    """Return the subscribers who wait for a message."""
    with store.read() as connection:
        return list(connection.scalars(select(confirmations.c.subscriber_id)))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "papers.example.org"},
        {"Host": "evil.example:8025"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
)
def test_the_personal_page_is_for_this_machine(me: Visitor, headers: dict[str, str]) -> None:
    """Another host name (DNS rebinding) or a proxy makes the personal page ask for a sign-in."""
    assert me.get("/saved").status == 200

    answer = me.get("/saved", **headers)

    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert "Research papers by mail" in me.get("/", **headers).text


@pytest.mark.parametrize(
    "changes", [{"page_user": ""}, {"base_url": "https://papers.example.org"}, {"trusted_proxies": "127.0.0.1"},
                {"host": "0.0.0.0"}]
)  # fmt: skip
def test_an_installation_for_others_asks_for_a_sign_in(
    store: MailStore, changes: dict[str, str], feeds: object
) -> None:
    """A public address, a trusted proxy, another network address or an empty setting ends the personal mode."""
    from starlette.testclient import TestClient

    from mailer.web.app import Site

    made = {"base_url": "http://localhost:8025", **changes}
    settings = MailSettings.read({}, **made)
    with FeedService("127.0.0.1:1", timeout_seconds=0.2) as service:
        app = Site(store, service, settings, FixedClock()).app()
        client = TestClient(app, base_url="http://localhost:8025", client=("127.0.0.1", 1), follow_redirects=False)
        assert client.get("/saved").headers.get("location") == "/sign-in"
        personal = Site(store, service, MailSettings.read({}), FixedClock()).app()
        client = TestClient(personal, base_url="http://localhost:8025", client=("127.0.0.1", 1), follow_redirects=False)
        # The personal page asks the service, which is away.
        assert client.get("/saved").status_code == 503
        client = TestClient(personal, base_url="http://localhost:8025", client=("192.0.2.1", 1), follow_redirects=False)
        assert client.get("/saved").headers["location"] == "/sign-in"


def test_the_front_page_of_strangers(closed: RunningSite) -> None:
    """Strangers see the form to subscribe; every other page leads to the sign-in, and no form does anything."""
    assert "Research papers by mail" in closed.ask("/").text
    for path in ("/saved", "/search?q=x", "/earlier", "/interests", "/paper/x"):
        assert closed.ask(path).headers["Location"] == "/sign-in"
    for path in ("/react", "/seen", "/follow", "/likes"):
        assert closed.ask(path, {"paper": "x", "event": "like"}).headers["Location"] == "/sign-in"


def test_the_answer_is_the_same_for_all_addresses(closed: RunningSite, store: MailStore) -> None:
    """Only an active subscriber gets a link, and the page does not tell who that is."""
    with store.write() as connection:
        subscribers.suppress(connection, address(3), SuppressionReason.BOUNCE, "", NOW)
    tried = (address(1), address(1).upper(), address(2), address(3), "stranger@example.org")
    pages = {closed.ask("/sign-in", {"address": each}).text for each in tried}

    assert len(pages) == 1
    assert waiting(store) == ["s000001"]
    assert closed.ask("/sign-in", {"address": "no address"}).status == 400


def test_a_link_signs_in_for_a_while(closed: RunningSite, store: MailStore, inbox: Inbox) -> None:
    """The mailed link shows a button, the button sets a guarded cookie, and signing out removes it."""
    closed.ask("/sign-in", {"address": address(1)})
    settings = settings_for(inbox.port, base_url=closed.base_url)
    assert send_confirmations(store, settings, closed.links, FixedClock()) == 1
    assert waiting(store) == []
    message = message_from_bytes(inbox.messages[0][1], policy=default)
    assert message["Subject"] == "Sign in: paperfeed"
    body = message.get_body(("plain",))  # type: ignore[attr-defined]
    link = re.findall(rf"{closed.base_url}/enter/\S+", body.get_content())[0]

    page = closed.ask(link)
    assert (page.status, page.headers["Set-Cookie"]) == (200, None)
    assert "Sign in" in page.text
    assert closed.ask(link, {}, Origin="https://evil.example").status == 403
    entered = closed.ask(link, {})

    assert (entered.status, entered.headers["Location"]) == (303, "/")
    cookie = entered.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=7776000"))
    signed_in = f"{COOKIE}={cookie_of(entered)}"
    # The feed service is away, so the page of a user cannot be made; a stranger would be led to the sign-in.
    assert closed.ask("/saved", Cookie=signed_in).status == 503
    left = closed.ask("/sign-out", {}, Cookie=signed_in)
    assert 'paperfeed=""' in left.headers["Set-Cookie"]
    with store.write() as connection:
        subscribers.remove(connection, "s000001")
    assert closed.ask("/saved", Cookie=signed_in).headers["Location"] == "/sign-in"


def test_links_expire(closed: RunningSite) -> None:
    """A link to sign in works for 15 minutes; cookies and links of issues for 90 days after the mail."""
    now = int(time.time())

    def token(purpose: Purpose, age_seconds: int) -> str:
        return closed.links.token(Claim(purpose, "s000001", made_at=now - age_seconds))

    for purpose, seconds in ((Purpose.SIGN_IN, 15 * 60), (Purpose.OPEN, 90 * 86_400)):
        assert closed.ask(f"/{purpose.value}/{token(purpose, seconds - 60)}", {}).status == 303
        assert closed.ask(f"/{purpose.value}/{token(purpose, seconds + 60)}", {}).status == 403
    old = closed.ask(f"/open/{token(Purpose.OPEN, 89 * 86_400)}", {})
    assert closed.links.read(Purpose.OPEN, cookie_of(old)).made_at == now - 89 * 86_400
    forged = Links(b"x" * 32, closed.base_url).token(Claim(Purpose.OPEN, "s000001"))
    for cookie in (forged, token(Purpose.OPEN, 91 * 86_400), token(Purpose.VIEW, 0), "x", ""):
        assert closed.ask("/saved", Cookie=f"{COOKIE}={cookie}").headers["Location"] == "/sign-in"


def test_the_cookie_is_secure_behind_https(store: MailStore) -> None:
    """With an https address, browsers send the cookie over https alone."""
    from starlette.testclient import TestClient

    from mailer.web.app import Site

    with store.write() as connection:
        subscribers.add(connection, subscriber(1))
    settings = MailSettings.read({}, base_url="https://papers.example.org")
    with FeedService("127.0.0.1:1", timeout_seconds=0.2) as service:
        client = TestClient(Site(store, service, settings, FixedClock()).app(), follow_redirects=False)
        link = Links(store.signing_key(), "").url(Purpose.OPEN, "s000001")
        assert "Secure" in client.post(link).headers["set-cookie"]


def test_a_subscriber_reads_their_own_feed(subscribed: Visitor, me: Visitor) -> None:
    """The cookie decides whose page it is, also in a personal installation; reactions are the subscriber's."""
    assert address(1) in subscribed.get("/").text
    assert "a0" not in subscribed.papers()
    subscribed.react("a2", "like")

    assert ("like", "a2", "") in subscribed.events()
    assert all(name != "a2" for _, name, _ in me.events())
    page = subscribed.get("/interests").text
    link = re.findall(r'href="([^"]+/preferences/[^"]+)"', page)[0]
    assert subscribed.get(path_of(link)).status == 200
