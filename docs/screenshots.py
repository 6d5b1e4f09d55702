# ruff: noqa: INP001  run as a script, not imported
"""Write the pictures of the README: docs/feed.png from the page of `make demo`, docs/page.png from a running page.

Needs Chromium; see `make screenshots`.
"""

import datetime as dt
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from cli.demo.samples import read_demo_digest, sample_users
from cli.demo.servers import running
from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import Digest, UpsertDigestRequest, UpsertPapersRequest
from paperfeed.v1.profile_pb2 import EVENT_TYPE_LIKE, Event, RecordEventsRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.api.convert import to_date

ROOT = Path(__file__).parent.parent
PREVIEW = ROOT / "out" / "preview.html"
CACHE = ROOT / "out" / "embeddings.sqlite"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LAPTOP = ("--host", "127.0.0.1", "--auth", "none", "--exploration", "0")


def main() -> int:
    """Write the pictures; return 1 if the page of the demo or the browser is missing."""
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        sys.stderr.write("screenshots: Chromium not found: install the package chromium\n")
        return 1
    if not PREVIEW.exists():
        sys.stderr.write(f"screenshots: {PREVIEW} not found: run 'make demo' first\n")
        return 1
    with sync_playwright() as playwright, page_of_sample_user() as address:
        # No sandbox: containers have no user namespaces, and only our own pages are opened.
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        take(browser, PREVIEW.as_uri(), "feed.png", (1280, 740))
        take(browser, address, "page.png", (900, 980))
        browser.close()
    return 0


def take(browser: Browser, address: str, name: str, size: tuple[int, int]) -> None:
    """Write the picture of a page in a window of (width, height) CSS pixels."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    page.goto(address)
    page.screenshot(path=ROOT / "docs" / name)
    page.close()


@contextmanager
def page_of_sample_user() -> Iterator[str]:
    """Yield the address of the page of the first sample user, whose digest is today's."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), sample_users()[0]
        data = ("--db", f"sqlite:///{folder / 'service.db'}", "--embedding-cache", str(CACHE))
        with running(folder / "server.log", "serve", "--port", "0", *data, *LAPTOP) as target, Client(target) as client:
            client.wait_until_ready(60)
            papers = read_demo_digest(None, None).papers
            client.catalog.UpsertPapers(UpsertPapersRequest(papers=[*papers, *user.likes]))
            paper_ids = [paper.paper_id for paper in papers]
            digest = Digest(digest_id="today", date=to_date(dt.datetime.now(dt.UTC).date()), paper_ids=paper_ids)
            client.catalog.UpsertDigest(UpsertDigestRequest(digest=digest))
            likes = [
                Event(user_id=user.user_id, paper_id=paper.paper_id, event_type=EVENT_TYPE_LIKE) for paper in user.likes
            ]
            client.profiles.RecordEvents(RecordEventsRequest(events=likes))
            while any(queue.length for queue in client.status.GetStatus(GetStatusRequest()).queues):
                time.sleep(0.2)
            mailer = ("--server", target, "--mail-db", f"sqlite:///{folder / 'mailer.db'}", "--user", user.user_id)
            with running(folder / "pages.log", "mail", "serve", "--port", "0", *mailer) as address:
                yield address


if __name__ == "__main__":
    sys.exit(main())
