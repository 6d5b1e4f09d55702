"""The mail and every page in a real browser: narrow and wide, light and dark, with a screenshot of each.

The screenshots are in pytest's temporary folder; ``--basetemp out/screenshots`` puts them into a folder of your choice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from mailer.links import Purpose
from mailer.storage import subscribers
from testing.mailer.builders import address, subscriber
from testing.mailer.feed_service import like
from tests.browser import looks
from tests.browser.conftest import World
from tests.browser.mails import html_of, links_of, wait_for_mail

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (320, 600, 1200)
NAMES = ("mail", "home", "issue", "preferences", "archive", "like", "liked", "unsubscribe", "refused")


@pytest.fixture(scope="module")
def addresses(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The web addresses of one subscriber's pages; the mail is a file."""
    with world.service.client() as client:
        like(client, "u000001", ["z1", "z2"])
    with world.store.write() as connection:
        subscribers.add(connection, subscriber(1, name="Ada"))
    assert world.send().is_ok
    content = wait_for_mail(world.inbox, address(1))
    mail = tmp_path_factory.mktemp("looks") / "mail.html"
    mail.write_text(html_of(content), encoding="utf-8")
    links = links_of(content)
    return {
        "mail": f"file://{mail}",
        "home": world.site.base_url,
        "issue": links["view"][0],
        "preferences": links["preferences"][0],
        "archive": world.site.links.url(Purpose.ARCHIVE, "s000001"),
        "like": links["like"][1],
        "liked": links["like"][2],
        "unsubscribe": links["unsubscribe"][0],
        "refused": f"{world.site.base_url}/like/forged",
    }


@contextmanager
def opened(browser: Browser, addresses: dict[str, str], name: str) -> Iterator[Page]:
    """Open the page; for ``liked``, press the button."""
    context = browser.new_context(bypass_csp=True)  # the measurements run scripts
    page = context.new_page()
    page.goto(addresses[name])
    if name == "liked":
        page.get_by_role("button", name="Like").click()
        page.wait_for_load_state()
    yield page
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_and_is_legible(browser: Browser, addresses: dict[str, str], tmp_path: Path, name: str) -> None:
    """The page needs no horizontal scrolling, cuts nothing off, and every text has enough contrast."""
    with opened(browser, addresses, name) as page:
        looks.check(page, WIDTHS, tmp_path, name)
    found = {path.name: int.from_bytes(path.read_bytes()[16:20]) for path in tmp_path.iterdir()}
    assert found == {f"{name}-{width}-{scheme}.png": width for width in WIDTHS for scheme in ("light", "dark")}


@pytest.mark.parametrize("name", NAMES)
def test_it_needs_no_mouse(browser: Browser, addresses: dict[str, str], name: str) -> None:
    """Every field has a label, every link and button has words, and Tab reaches and highlights all of them."""
    with opened(browser, addresses, name) as page:
        assert looks.nameless_fields(page) == []
        assert looks.unreached(page) == []
        assert page.locator("h1").count() == 1
        assert page.locator("html[lang=en]").count() == 1


def test_the_measures_measure(browser: Browser) -> None:
    """The measurements find every fault of a page that has them all."""
    page = browser.new_page(viewport={"width": 320, "height": 500})
    page.set_content(
        "<style>a:focus { outline: none }</style><p style='color: #999; background: #fff; width: 500px'>pale</p>"
        "<input name='x'><a href='#x'>link</a><button tabindex='-1'>never</button>"
    )
    assert looks.overflow(page) > 0
    assert looks.cut_off(page) == ["P."]
    assert [(tag, ratio) for tag, _, ratio in looks.weak_texts(page)] == [("P", "2.85")]
    assert len(looks.nameless_fields(page)) == 1
    assert [each[:2] for each in looks.unreached(page)] == ["<a", "<b"]
    page.close()
