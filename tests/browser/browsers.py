"""The system's Chromium, driven by playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.requirements import require

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless browser; skip or fail the test if there is none."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    require("browser", path is not None, "needs Chromium: install the package chromium")
    with sync_playwright() as playwright:
        # No sandbox: containers have no user namespaces, and only our own pages are opened.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
