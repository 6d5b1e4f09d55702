"""The page to read on in a real browser: reactions at once, impressions, keyboard, looks, and a sign-in by mail.

The screenshots are in pytest's temporary folder; ``--basetemp out/screenshots`` puts them into a folder of your choice.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mailer.clock import SystemClock
from mailer.service import FeedService
from mailer.storage import subscribers
from paperfeed.v1 import profile_pb2
from testing.mailer.builders import address, subscriber
from testing.mailer.feed_service import like
from tests.browser import looks
from tests.browser.conftest import World
from tests.browser.mails import links_of, wait_for_mail
from tests.mailer.site import RunningSite, running_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=30_000)

WIDTHS = (320, 360, 768, 1280)
PAGES = {
    "feed": "/?day=other",
    "awkward": "/?day=today",
    "search": "/search?q=protein",
    "nothing-found": "/search?q=nosuchword",
    "paper": "/paper/z1",
    "saved": "/saved?all=1",
    "earlier": "/earlier",
    "interests": "/interests",
    "sections": "/?day=other&sections=1",
    "why": "/why/z1",
    "signals": "/signals",
    "reset": "/signals/reset",
    "sign-in": "/sign-in",
}


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[RunningSite]:
    """The pages of a personal installation beside those of the world."""
    with world.service.client() as client:
        like(client, "me", ["z0", "z5"])
        preferences = profile_pb2.Preferences(followed_topics=["cs.IR", "graph networks"], muted_authors=["Nobody"])
        client.profiles.UpdatePreferences(profile_pb2.UpdatePreferencesRequest(user_id="me", preferences=preferences))
    with (
        FeedService(world.service.target, timeout_seconds=20) as feeds,
        running_site(world.store, feeds, world.settings, SystemClock(), page_user="me") as running,
    ):
        yield running


@contextmanager
def opened(browser: Browser, address: str, width: int = 768, *, scripts: bool = True) -> Iterator[Page]:
    """Open a page in a window of that width; fail if the browser reports an error."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, java_script_enabled=scripts, timezone_id="Asia/Tokyo"
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert errors == []


def events(world: World, user_id: str = "me") -> list[tuple[int, str, str]]:
    """Return (type, paper, slate) of the user's events, in order."""
    with world.service.client() as client:
        answers = client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=user_id))
        found = [answer.event for answer in answers if answer.HasField("event")]
    return [(each.event_type, each.paper_id, each.slate_id) for each in found]


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_fit_and_are_legible(browser: Browser, site: RunningSite, tmp_path: Path, name: str) -> None:
    """No page needs horizontal scrolling or cuts anything off, and every text has enough contrast."""
    with opened(browser, site.base_url + PAGES[name]) as page:
        if page.locator("summary").count():
            page.locator("summary").first.click()
        looks.check(page, WIDTHS, tmp_path, name)


def test_the_pages_need_no_mouse(browser: Browser, site: RunningSite) -> None:
    """Fields and buttons have names, Tab reaches all of them visibly, and headings descend one level at a time."""
    with opened(browser, site.base_url) as page:
        for name in ("feed", "search", "paper", "interests", "sections", "why", "signals", "reset"):
            page.goto(site.base_url + PAGES[name])
            assert looks.nameless_fields(page) == [], name
            assert looks.unreached(page) == [], name
            levels = page.evaluate("[...document.querySelectorAll('main :is(h1, h2, h3)')].map(e => +e.tagName[1])")
            assert levels[0] == 1, name
            assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), name
            assert page.evaluate("(() => { const all = [...document.querySelectorAll('[id]')].map(e => e.id);"
                                 " return all.length - new Set(all).size; })()") == 0, name  # fmt: skip


def test_reactions_at_once(browser: Browser, site: RunningSite, world: World) -> None:
    """A button takes effect without a new page, can be undone there, and is recorded with the slate."""
    with opened(browser, f"{site.base_url}/?day=other") as page:
        card = page.locator("article").nth(1)
        paper_id, slate_id = (str(card.get_attribute(name)) for name in ("data-paper", "data-slate"))
        card.get_by_role("button", name="Like").click()
        expect(card.get_by_role("button", name="Liked")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#told")).to_have_text("Liked. Your next list has more like this.")
        expect(card.get_by_role("button", name="Liked")).to_be_focused()
        assert (profile_pb2.EVENT_TYPE_LIKE, paper_id, slate_id) in events(world)
        card.get_by_role("button", name="Undo").click()
        expect(card.get_by_role("button", name="Like", exact=True)).to_have_attribute("aria-pressed", "false")
        card.get_by_role("button", name="Not for me").click()
        expect(card.locator("summary")).to_be_hidden()
        card.get_by_role("button", name="Undo").click()
        expect(card.locator("summary")).to_be_visible()
        page.reload()
        expect(page.locator(f'article[data-paper="{paper_id}"]')).to_have_count(1)


def test_papers_in_view_are_impressions(browser: Browser, site: RunningSite, world: World) -> None:
    """Papers that were in view for a second are recorded, those below the window are not."""
    with opened(browser, f"{site.base_url}/?day=other") as page:
        slate_id = page.locator("article").first.get_attribute("data-slate")
        shown = [str(each.get_attribute("data-paper")) for each in page.locator("article").all()]
        end = time.monotonic() + 60
        while not (seen := [each for each in events(world) if each[0] == profile_pb2.EVENT_TYPE_IMPRESSION
                            and each[2] == slate_id]):  # fmt: skip
            assert time.monotonic() < end, "no impression came"
            page.wait_for_timeout(100)
    names = [paper_id for _, paper_id, _ in seen]
    assert names[0] == shown[0]
    assert 1 <= len(names) < len(shown)
    assert shown[-1] not in names


def test_the_keyboard(browser: Browser, site: RunningSite) -> None:
    """The keys move, save and take back, unfold, search and help, and the help can switch them off."""
    with opened(browser, f"{site.base_url}/?day=other") as page:
        for key in "jjk":
            page.keyboard.press(key)
        card = page.locator("article").first
        expect(card).to_be_focused()
        page.keyboard.press("a")
        expect(card.locator(".abstract")).to_be_visible()
        page.keyboard.press("s")
        expect(card.get_by_role("button", name="Saved")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("s")
        expect(card.get_by_role("button", name="Save", exact=True)).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("jlx?")
        expect(page.get_by_role("searchbox")).to_have_value("jlx?")
        card.focus()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.get_by_label("Use these shortcuts").uncheck()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("j")
        expect(page.locator("article.current")).to_have_count(1)
        page.reload()
        page.keyboard.press("j")
        expect(page.locator("article.current")).to_have_count(0)


def test_without_scripts(browser: Browser, site: RunningSite) -> None:
    """Every button works without JavaScript: the list changes, says what happened, and offers to undo it."""
    with opened(browser, f"{site.base_url}/?day=other", 360, scripts=False) as page:
        paper_id = page.locator("article").nth(1).get_attribute("data-paper")
        page.locator("article").nth(1).get_by_role("button", name="Save").click()
        expect(page.get_by_role("status").first).to_contain_text("Saved.")
        expect(page.locator(f'article[data-paper="{paper_id}"]')).to_have_count(0)
        assert looks.overflow(page) <= 0
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(f'article[data-paper="{paper_id}"]')).to_have_count(1)


def test_a_sign_in_by_mail(browser: Browser, world: World) -> None:
    """An address, a mailed link and a button open a subscriber's page; the browser's time zone is preselected."""
    with world.store.write() as connection:
        subscribers.add(connection, subscriber(7))
    with opened(browser, world.site.base_url) as page:
        expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("E-mail address").fill(address(7))
        page.get_by_role("button", name="Mail me a link").click()
        expect(page.get_by_role("heading", name="Please check your inbox")).to_be_visible()
        page.goto(links_of(wait_for_mail(world.inbox, address(7)))["enter"][0])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text(address(7))).to_be_visible()
        expect(page.locator("article").first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Research papers by mail")).to_be_visible()
