# ruff: noqa: INP001  run as a script, not imported
"""Write docs/feed.png, a picture of the page that `make demo` writes. Needs Chromium; see `make screenshots`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
PREVIEW = ROOT / "out" / "preview.html"
PICTURE = ROOT / "docs" / "feed.png"
WIDTH, HEIGHT = 1280, 740
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Write the picture; return 1 if the page or the browser is missing."""
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        sys.stderr.write("screenshots: Chromium not found: install the package chromium\n")
        return 1
    if not PREVIEW.exists():
        sys.stderr.write(f"screenshots: {PREVIEW} not found: run 'make demo' first\n")
        return 1
    with sync_playwright() as playwright:
        # No sandbox: containers have no user namespaces, and only our own page is opened.
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(PREVIEW.as_uri())
        page.screenshot(path=PICTURE)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
