"""A person's walk through paperfeed: from a library to a feed, and through every page, with a picture of each.

By hand: ``make walk``, or ``python -m tests.browser.walk FOLDER``. The walk makes a new paperfeed with `init` and `up`,
which fetches from a local web server with recorded answers, and reads its pages in Chromium. Each picture is taken at
three widths, light and dark. If a page is wider than its window or a text has too little contrast, the walk ends.
"""

import datetime as dt
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import feedparser
from playwright.sync_api import Browser, Page, expect

from cli.demo.samples import sample_users
from paperfeed.v1.catalog_pb2 import Paper
from tests.browser import looks
from tests.browser.browsers import chromium
from tests.cli.home.homes import change, free_port, run, sample_page, up, use_local
from tests.service.fetch.web_server import Request, WebServer, web_server

WIDTHS = (360, 768, 1280)
MOST_HEIGHT = 2_400
"""Longer pages are cut off in the pictures, in CSS pixels."""
SECONDS = 300.0
"""Time limit of whatever the walk waits for, on a busy machine."""


class Walk:
    """The state of the walk: the browser's page, the person's folder, and the pictures so far.

    Args:
        page: A page of the browser.
        home: Folder with the person's paperfeed.toml.
        address: Address of the running paperfeed.
        pictures: Folder that gets the pictures.
    """

    def __init__(self, page: Page, home: Path, address: str, pictures: Path) -> None:
        self.page = page
        self.home = home
        self.address = address
        self._pictures = pictures
        self._count = 0

    def open(self, path: str) -> None:
        """Open one of the pages."""
        self.page.goto(self.address + path)

    def picture(self, name: str) -> None:
        """Take pictures of the present page at each width, light and dark, and check that it fits and is legible."""
        self._count += 1
        name = f"{self._count:02d}-{name}"
        looks.check(self.page, WIDTHS, self._pictures, name, most_height=MOST_HEIGHT)

    def papers(self, path: str = "/") -> list[str]:
        """Return the ids of the papers on a page, in order."""
        self.open(path)
        return [str(each.get_attribute("data-paper")) for each in self.page.locator("article.paper").all()]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so; the pages answer 300 requests a minute."""
        ends_at = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < ends_at, f"not in time: {what}"
            time.sleep(0.5)


def go(pictures: Path, browser: Browser) -> None:
    """Walk the whole way. The pictures are named after the steps, in order.

    Args:
        pictures: Folder that gets the pictures. It is made if it is missing.
        browser: The browser in which the pages are opened.
    """
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, _withheld_papers() as (source, is_open):
        home = Path(name)
        (home / "refs.bib").write_text(_library(), encoding="utf-8")
        done = run(home, "init", "--library", "refs.bib", "--category", "cs.IR", "--no-mail")
        assert done.returncode == 0, done.stderr
        use_local(home, source, encoder="all-MiniLM-L6-v2")
        port = free_port()
        change(home, mail__port=port, mail__base_url=f"http://127.0.0.1:{port}")
        change(home, service__exploration=0, service__fetch_timeout_seconds=SECONDS)
        with up(home) as running:
            address = running.line("your paperfeed: ")
            server = running.line("the server: ").partition(";")[0]
            page = browser.new_page()
            page.set_default_timeout(SECONDS * 1000)
            expect.set_options(timeout=SECONDS * 1000)
            steps = Walk(page, home, address, pictures)
            steps.open("/")
            steps.picture("before-the-first-papers")
            is_open.set()
            first_feed(steps)
            like_a_paper(steps)
            edit_interests(steps)
            read_elsewhere(steps, server)
            ask_why(steps)
            undo_in_the_ledger(steps)
            find_papers(steps)
            start_anew(steps)
            page.close()


def first_feed(walk: Walk) -> None:
    """The library became likes, and the first papers are like them."""

    def is_ranked() -> bool:
        walk.open("/")
        reasons = walk.page.locator("article .why").all_inner_texts()[:5]
        return len(reasons) == 5 and all("ecause you liked" in each for each in reasons)

    walk.until(is_ranked, "a feed with reasons")
    walk.picture("feed")
    walk.page.locator("summary").first.click()
    walk.page.locator("article").first.focus()
    walk.picture("abstract-and-focus")
    walk.page.keyboard.press("?")
    walk.picture("keyboard-shortcuts")


def like_a_paper(walk: Walk) -> None:
    """A like, a save and a dismissal take effect at once, and the next list is another one."""
    before = walk.papers()
    for place, name in ((1, "Like"), (2, "Save"), (3, "Not for me")):
        card = walk.page.locator("article").nth(place)
        card.get_by_role("button", name=name, exact=True).click()
        expect(card.get_by_role("button", name="Undo")).to_be_visible()
    walk.picture("reactions")
    kept = [each for each in before if each not in before[1:4]]
    walk.until(lambda: walk.papers()[: len(kept)] != kept, "another order after the reactions")
    assert not set(before[1:4]) & set(walk.papers())
    walk.picture("feed-after-reactions")


def edit_interests(walk: Walk) -> None:
    """An interest gets a name, another one is paused; the feed by interest shows the one and not the other."""
    walk.open("/interests")
    walk.picture("interests")
    sections = walk.page.locator("section.interest", has=walk.page.locator("meter"))
    assert sections.count() >= 2, "the likes of two readers form at least two interests"
    paused = sections.nth(1).locator("h2").inner_text()
    sections.first.locator("summary").click()
    sections.first.locator("input[name=name]").fill("My main interest")
    sections.first.get_by_role("button", name="Rename").click()
    expect(walk.page.get_by_role("heading", name="My main interest")).to_be_visible()
    walk.open("/?sections=1")
    walk.picture("sections")
    assert walk.page.get_by_role("heading", name=paused, exact=True).count() == 1
    walk.open("/interests")
    sections.nth(1).get_by_role("button", name="Pause").click()
    expect(sections.nth(1).get_by_text("Paused")).to_be_visible()
    walk.page.locator("#add_followed_topics").fill("cs.IR")
    walk.page.locator("section", has=walk.page.locator("#add_followed_topics")).get_by_role("button").last.click()
    expect(walk.page.get_by_role("button", name="Remove cs.IR")).to_be_visible()
    walk.open("/interests")
    sections.first.locator("summary").click()
    walk.picture("interests-renamed-and-paused")
    walk.open("/?sections=1")
    expect(walk.page.get_by_role("heading", name="My main interest")).to_be_visible()
    assert walk.page.get_by_role("heading", name=paused, exact=True).count() == 0
    walk.picture("sections-without-the-paused-one")


def read_elsewhere(walk: Walk, server: str) -> None:
    """The mail shows the same papers, and a feed reader's library reads the Atom feed."""
    done = run(walk.home, "mail", "preview", "--user", "me", "--out", "preview", "--server", server)
    assert done.returncode == 0, done.stderr
    walk.page.goto((walk.home / "preview" / "me.html").as_uri())
    walk.picture("mail-preview")
    walk.open("/interests")
    address = str(walk.page.get_by_role("link", name="Atom feed").get_attribute("href"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of feedparser's own
        feed = feedparser.parse(address)
    assert not feed.bozo, feed.bozo_exception
    shown = walk.papers()
    assert [each.id.partition("paper/")[2] for each in feed.entries] == shown
    assert all(each.title and each.link.startswith(walk.address) and each.summary for each in feed.entries)
    walk.page.goto(feed.entries[0].link)
    expect(walk.page.locator(f'article[data-paper="{shown[0]}"]')).to_be_visible()
    walk.picture("similar-papers")


def ask_why(walk: Walk) -> None:
    """The page explains a high rank, a low rank, and why a paper with a reaction is not in the feed."""
    walk.open("/")
    walk.page.get_by_role("link", name="Why?").first.click()
    expect(walk.page.get_by_role("heading", name="Why you see this paper")).to_be_visible()
    walk.picture("why")
    walk.open("/")
    while (more := walk.page.get_by_role("link", name="More papers")).count():
        more.click()
    walk.picture("last-papers")
    walk.page.locator("article").last.get_by_role("link", name="Why?").click()
    walk.picture("why-so-low")
    walk.open("/saved")
    walk.picture("saved")
    walk.page.get_by_role("link", name="Why?").first.click()
    expect(walk.page.get_by_role("heading", name="Why you do not see this paper")).to_be_visible()
    walk.picture("why-not")
    walk.open("/why/" + walk.papers("/saved?all=1")[-1])
    walk.picture("why-not-of-the-library")


def undo_in_the_ledger(walk: Walk) -> None:
    """The ledger lists every reaction; after the undo of one, its paper is in the feed again."""
    walk.open("/signals")
    walk.picture("ledger")
    entry = walk.page.locator(".signals li", has_text="You liked it").first
    why = str(entry.get_by_role("link", name="Why?").get_attribute("href"))
    entry.get_by_role("button", name="Undo").click()
    expect(walk.page.get_by_role("status").filter(has_text="Undone")).to_be_visible()
    walk.picture("ledger-after-undo")

    def is_shown() -> bool:
        walk.open(why)
        return walk.page.get_by_role("heading", name="Why you see this paper").count() == 1

    walk.until(is_shown, "the paper in the feed again")


def find_papers(walk: Walk) -> None:
    """Search, its empty answer and its mistakes, earlier days, and pages that are not there."""
    for name, path in (
        ("search", "/search?q=graph"),
        ("search-empty", "/search"),
        ("search-without-result", "/search?q=nosuchword"),
        ("search-mistake", '/search?q="'),
        ("earlier", "/earlier"),
        ("sign-in", "/sign-in"),
        ("subscribe", "/subscribe"),
        ("no-such-page", "/nowhere"),
        ("no-such-paper", "/paper/nothing"),
        ("no-such-reason", "/why/nothing"),
        ("broken-link", "/preferences/forged"),
        ("delete-everything", "/signals/reset"),
    ):
        walk.open(path)
        walk.picture(name)


def start_anew(walk: Walk) -> None:
    """After everything was deleted, the pages say how to begin."""
    walk.open("/signals/reset")
    walk.page.get_by_label("Delete all of it").check()
    walk.page.get_by_role("button", name="Start anew").click()
    expect(walk.page.get_by_role("status").filter(has_text="deleted")).to_be_visible()
    walk.picture("ledger-empty")
    for name, path in (("feed-without-likes", "/"), ("interests-empty", "/interests"), ("saved-empty", "/saved")):
        walk.open(path)
        walk.picture(name)
    walk.open("/interests")
    expect(walk.page.get_by_text("No interests yet")).to_be_visible()


def _library() -> str:
    """Return the likes of two sample users as a BibTeX file."""
    return "\n".join(_bibtex(paper) for user in sample_users()[:2] for paper in user.likes)


def _bibtex(paper: Paper) -> str:
    key = paper.paper_id.rpartition(":")[2]
    authors = " and ".join(paper.authors)
    return (
        f"@article{{{key},\n title = {{{paper.title}}},\n author = {{{authors}}},\n abstract = {{{paper.abstract}}}\n}}"
    )


@contextmanager
def _withheld_papers() -> Iterator[tuple[WebServer, threading.Event]]:
    """Run a server that answers as arXiv does, once the event is set."""
    is_open, content = threading.Event(), sample_page()

    def answer(request: Request) -> None:
        is_open.wait(SECONDS)
        request.reply(content)

    with web_server() as server:
        server.answer = answer
        try:
            yield server, is_open
        finally:
            is_open.set()


def main() -> int:
    """Walk, and say where the pictures are."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m tests.browser.walk FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    started_at = dt.datetime.now(dt.UTC)
    with chromium() as running:
        go(folder, running)
    seconds = (dt.datetime.now(dt.UTC) - started_at).total_seconds()
    sys.stdout.write(f"{folder}: {len(list(folder.glob('*.png')))} pictures after {seconds:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
