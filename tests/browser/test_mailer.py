"""The way of a subscriber through mail and pages, in a real browser without JavaScript."""

import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest
from playwright.sync_api import Browser, Page, expect

from mailer.storage import subscribers
from paperfeed.v1 import feed_pb2, profile_pb2
from testing.mailer.builders import address, subscriber
from testing.mailer.feed_service import like
from tests.browser.conftest import World
from tests.browser.mails import links_of, wait_for_mail

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=30_000)  # a click without JavaScript returns before the answer is there


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without JavaScript."""
    context = browser.new_context(viewport={"width": 600, "height": 900}, java_script_enabled=False)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    context.close()


def test_the_way_of_a_subscriber(page: Page, world: World) -> None:
    """Subscribe, confirm from the mail, follow a topic, get the issue, like in the browser: the next feed changes."""
    page.goto(world.site.base_url)
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Time zone").select_option("Europe/Vienna")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="Please check your inbox")).to_be_visible()

    page.goto(links_of(wait_for_mail(world.inbox, "ada@example.org"))["confirm"][0])
    page.get_by_role("button", name="Yes, send me papers").click()
    page.get_by_role("link", name="Choose topics").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Vienna")
    page.get_by_label("Topics to follow").fill("protein folding")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Saved")).to_be_visible()

    summary = world.send()
    assert summary.is_ok
    assert summary.outcomes["made"] >= 1
    content = wait_for_mail(world.inbox, "ada@example.org", 2)
    assert "Protein Folding" in str(message_from_bytes(content, policy=default)["Subject"])

    with world.store.read() as connection:
        found = subscribers.find_by_address(connection, "ada@example.org")
    assert found is not None
    before = unseen(world, found.user_id)
    page.goto(links_of(content)["view"][0])
    article = page.locator("article", has_text="Auction Design, part a4")
    article.get_by_role("button", name="Like").click()
    expect(page.get_by_role("heading", name="Liked")).to_be_visible()
    page.get_by_role("link", name="All papers of this issue").click()
    pressed = page.locator("article", has_text="part a4").get_by_role("button", name="Like")
    expect(pressed).to_have_attribute("aria-pressed", "true")

    end = time.monotonic() + 60
    while unseen(world, found.user_id) == before:
        assert time.monotonic() < end, "the like did not change the feed"
        time.sleep(0.1)
    assert unseen(world, found.user_id)[0].startswith("Auction Design")


def unseen(world: World, user_id: str) -> list[str]:
    """Return the titles of the user's feed of the digest that no issue contains."""
    with world.service.client() as client:
        answer = client.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id=user_id, digest_id="other")).slate
    return [item.paper.title for item in answer.items]


def test_likes_outlive_a_service_that_is_away(page: Page, world: World) -> None:
    """A like given while the service is down is stored, and forwarded when the service is back."""
    with world.service.client() as client:
        like(client, "u000002", ["a0"])
    with world.store.write() as connection:
        subscribers.add(connection, subscriber(2))
    world.send()
    link = links_of(wait_for_mail(world.inbox, address(2)))["save"][0]
    world.service.stop()
    try:
        page.goto(link)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="Saved")).to_be_visible()
    finally:
        world.service.start()

    end = time.monotonic() + 60
    while True:
        with world.service.client() as client:
            found = list(client.likes(profile_pb2.ListLikesRequest(user_id="u000002")))
        if len(found) == 2:
            return
        assert time.monotonic() < end, "the like was lost"
        time.sleep(0.2)
