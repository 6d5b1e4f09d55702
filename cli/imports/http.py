"""The HTTP client of commands that fetch, with the limits of the settings."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from service.config import Settings

if TYPE_CHECKING:
    from service.fetch.http import Http


def open_http(settings: Settings, *, pause_seconds: float | None = None) -> "Http":
    """Return the client, to be used in a ``with`` block. ``pause_seconds`` replaces the pause between two requests."""
    from service.fetch.http import Http, RetryLimits

    contact = f" ({settings.fetch_contact})" if settings.fetch_contact else ""
    limits = RetryLimits(
        tries=settings.fetch_tries,
        timeout_seconds=settings.fetch_timeout_seconds,
        pause_seconds=settings.fetch_pause_seconds if pause_seconds is None else pause_seconds,
        wait_seconds=settings.fetch_wait_seconds,
    )
    user_agent = f"paperfeed/{version('paperfeed')}{contact}"
    return Http(user_agent, limits, allow_private_redirects=settings.fetch_private_redirects)
