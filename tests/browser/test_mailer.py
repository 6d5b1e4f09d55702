"""A reader's way through mail and pages, in a real browser without JavaScript."""

import datetime as dt
import re
import time
from email import message_from_bytes
from email.policy import default

import pytest
from playwright.sync_api import Browser, Page, expect

from mailer.clock import SystemClock
from mailer.config import MailSettings
from mailer.links import Purpose
from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import subscribers
from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2
from testing.mailer.builders import subscriber
from testing.mailer.feed_service import add_digest, like, papers
from testing.mailer.smtp_server import Inbox
from tests.browser.conftest import World

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)  # a click without JavaScript returns before the answer is there


def new_page(browser: Browser, width: int = 600, scheme: str = "light") -> Page:
    """A page without JavaScript that may ask nobody but loopback."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=False,
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    return page


def links_of(content: bytes) -> dict[str, list[str]]:
    """Links of a mail's HTML part, by purpose."""
    body = message_from_bytes(content, policy=default).get_body(("html",))  # type: ignore[attr-defined]
    found: dict[str, list[str]] = {}
    for link in re.findall(r'href="([^"]+)"', body.get_content()):
        found.setdefault(link.split("/")[3], []).append(link)
    return found


def wait_for_mail(inbox: Inbox, count: int) -> bytes:
    """The newest message, once there are so many."""
    end = time.monotonic() + 15
    while len(inbox.messages) < count:
        assert time.monotonic() < end, "no mail came"
        time.sleep(0.05)
    return inbox.messages[-1][1]


def test_a_readers_way(world: World) -> None:
    """Subscribe, confirm from the mail, follow a topic, get the issue, like in the browser: the next feed changes."""
    page = new_page(world.browser)
    page.goto(world.site.base_url)
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Time zone").select_option("Europe/Vienna")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="Please look into your inbox")).to_be_visible()

    page.goto(links_of(wait_for_mail(world.inbox, 1))["confirm"][0])
    page.get_by_role("button", name="Yes, send me papers").click()
    page.get_by_role("link", name="Choose topics").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Vienna")
    page.get_by_label("Topics to follow").fill("protein folding")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Saved")).to_be_visible()

    with FeedService(world.service.target) as feeds:
        settings = MailSettings(**{**vars(world.settings), "base_url": world.site.base_url})
        summary = MailRun(world.store, feeds, settings, SystemClock()).run(everybody=True)
    assert summary.outcomes == {"made": 1, "sent": 1}
    content = wait_for_mail(world.inbox, 2)
    first = str(message_from_bytes(content, policy=default)["Subject"])
    assert "Protein Folding" in first

    with world.store.read() as connection:
        reader = subscribers.find_by_address(connection, "ada@example.org")
    assert reader is not None
    before = unseen(world, reader.user_id)
    page.goto(links_of(content)["view"][0])
    article = page.locator("article", has_text="Auction Design, part a4")
    article.get_by_role("button", name="Like").click()
    expect(page.get_by_role("heading", name="Liked")).to_be_visible()
    page.get_by_role("link", name="All papers of this issue").click()
    pressed = page.locator("article", has_text="part a4").get_by_role("button", name="Like")
    expect(pressed).to_have_attribute("aria-pressed", "true")

    end = time.monotonic() + 15
    while unseen(world, reader.user_id) == before:
        assert time.monotonic() < end, "the like did not change the feed"
        time.sleep(0.1)
    assert unseen(world, reader.user_id)[0].startswith("Auction Design")


def unseen(world: World, user_id: str) -> list[str]:
    """Titles of the user's feed of a digest of papers never sent."""
    with world.service.client() as client:
        digests = [digest.digest_id for digest in client.digests(catalog_pb2.ListDigestsRequest())]
        if "other" not in digests:
            add_digest(client, "other", dt.date(2020, 1, 1), papers("z", 10))
        answer = client.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id=user_id, digest_id="other"))
    return [item.paper.title for item in answer.items]


def test_likes_outlive_a_service_that_is_away(world: World) -> None:
    """A like given while the service is down is kept, and told when it is back."""
    with world.service.client() as client:
        like(client, "u000001", ["a0"])
    with world.store.write() as connection:
        subscribers.add(connection, subscriber(1))
    with FeedService(world.service.target) as feeds:
        settings = MailSettings(**{**vars(world.settings), "base_url": world.site.base_url})
        MailRun(world.store, feeds, settings, SystemClock()).run(everybody=True)
    link = links_of(wait_for_mail(world.inbox, 1))["save"][0]
    world.service.stop()
    page = new_page(world.browser)
    page.goto(link)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Saved")).to_be_visible()
    world.service.start()

    end = time.monotonic() + 60
    while True:
        with world.service.client() as client:
            found = list(client.likes(profile_pb2.ListLikesRequest(user_id="u000001")))
        if len(found) == 2:
            return
        assert time.monotonic() < end, "the like was lost"
        world.site.ask(world.site.links.url(Purpose.UNSUBSCRIBE, "nobody"))
        time.sleep(0.5)
