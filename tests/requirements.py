"""What a test needs of its surroundings, and what happens without it."""

import os

import pytest


def require(name: str, available: bool, how: str) -> None:
    """Goes on if available; else skips, or fails where PAPERFEED_REQUIRE (a comma list) names it.

    Args:
        how: The reason shown, with the remedy: ``needs PostgreSQL: set TEST_DATABASE_URL``.
    """
    if available:
        return
    if name in os.environ.get("PAPERFEED_REQUIRE", "").replace(" ", "").split(","):
        pytest.fail(f"{how} (PAPERFEED_REQUIRE names {name})", pytrace=False)
    pytest.skip(how)
