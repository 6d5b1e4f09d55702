"""A person's whole walk, from a library to a changed feed, with pictures of every page."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.walk import WIDTHS, go

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.slow]


def test_the_walk(tmp_path: Path, browser: Browser) -> None:
    """Every step has the effect that the pages promise, and every page fits and is legible at each width."""
    go(tmp_path, browser)
    pictures = [path.name for path in tmp_path.glob("*.png")]
    assert len(pictures) >= 20 * 2 * len(WIDTHS)
