"""The mail and every page as readers see them: narrow and wide, light and dark, with a screenshot of each.

The screenshots lie in pytest's temporary folder; ``--basetemp out/screenshots`` puts them where they are easily found.
"""

import datetime as dt
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from mailer.clock import SystemClock
from mailer.links import Purpose
from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import open_store, schema, subscribers
from paperfeed.v1 import catalog_pb2
from testing.mailer.builders import subscriber
from testing.mailer.feed_service import add_digest, feed_service, like, papers
from testing.mailer.smtp_server import smtp_server
from tests.browser import looks
from tests.browser.test_mailer import links_of
from tests.mailer.sending.test_sending import settings_for
from tests.mailer.site import running_site

pytestmark = pytest.mark.browser

WIDTHS = (320, 600, 1200)
NAMES = ("mail", "home", "issue", "preferences", "archive", "like", "liked", "unsubscribe", "refused")


def awkward_papers() -> list[catalog_pb2.Paper]:
    """Ten papers; some have titles without a space, from right to left, and with formulas and markup."""
    made = papers("a", 10)
    made[1].title = "Donaudampfschifffahrtsgesellschaft" * 6
    made[2].title = "\u05dc\u05de\u05d9\u05d3\u05d4 \u05e2\u05de\u05d5\u05e7\u05d4 with graph networks"
    made[3].title = "<b>Bounds</b> of $O(n^2 \\log n)$ & more"
    made[4].authors.extend(f"Author Number {number}" for number in range(40))
    made[5].abstract = "One sentence after another. " * 80
    return made


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where each page of one reader is; the mail is a file."""
    folder = tmp_path_factory.mktemp("looks")
    url = f"sqlite:///{folder / 'mailer.db'}"
    schema.upgrade(url)
    store, clock = open_store(url), SystemClock()
    with feed_service(folder) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "today", dt.datetime.now(dt.UTC).date(), awkward_papers())
            add_digest(client, "old", dt.date(2020, 1, 1), papers("z", 5))
            like(client, "u000001", ["z1", "z2"])
        with store.write() as connection:
            subscribers.add(connection, subscriber(1, name="Ada"))
        settings = settings_for(inbox, server=service.target, sender_name="Papers of the day", postal_address="1 Way")
        with FeedService(service.target) as feeds, running_site(store, feeds, settings, clock) as site:
            told = type(settings)(**{**vars(settings), "base_url": site.base_url})
            assert MailRun(store, feeds, told, clock).run(everybody=True).outcomes == {"made": 1, "sent": 1}
            content = inbox.messages[0][1]
            body = message_from_bytes(content, policy=default).get_body(("html",))  # type: ignore[attr-defined]
            (folder / "mail.html").write_text(body.get_content(), encoding="utf-8")
            links = links_of(content)
            yield {
                "mail": f"file://{folder / 'mail.html'}",
                "home": site.base_url,
                "issue": links["view"][0],
                "preferences": links["preferences"][0],
                "archive": site.links.url(Purpose.ARCHIVE, "s000001"),
                "like": links["like"][1],
                "liked": links["like"][2],
                "unsubscribe": links["unsubscribe"][0],
                "refused": f"{site.base_url}/like/forged",
            }
    store.dispose()


def opened(browser: Browser, addresses: dict[str, str], name: str, width: int = 600, scheme: str = "light") -> Page:
    """The page in a window of that width; what is shown after the button for ``liked``."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,  # only so that it can be measured
    )
    page = context.new_page()
    page.goto(addresses[name])
    if name == "liked":
        page.get_by_role("button", name="Like").click()
        page.wait_for_load_state()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_it_fits_and_can_be_read(
    browser: Browser, addresses: dict[str, str], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    """Nothing sticks out or must be scrolled to sideways, and every text stands out from its background."""
    page = opened(browser, addresses, name, width, scheme)
    shot = tmp_path / f"{name}-{width}-{scheme}.png"
    shot.write_bytes(page.screenshot(full_page=True))
    assert int.from_bytes(shot.read_bytes()[16:20]) == width
    assert looks.overflow(page) <= 0
    assert looks.cut_off(page) == []
    assert looks.weak_texts(page) == []
    page.context.close()


@pytest.mark.parametrize("name", NAMES)
def test_it_needs_no_mouse(browser: Browser, addresses: dict[str, str], name: str) -> None:
    """Every field has a label, every link and button words; Tab reaches all of them, and one sees where it is."""
    page = opened(browser, addresses, name)
    assert looks.nameless_fields(page) == []
    assert looks.unreached(page) == []
    assert page.locator("h1").count() == 1
    assert page.locator("html[lang=en]").count() == 1
    page.context.close()


def test_the_measures_measure(browser: Browser) -> None:
    """A page with every fault has every fault found."""
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
