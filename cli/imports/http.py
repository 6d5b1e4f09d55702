"""The HTTP client of commands that fetch, with the limits of the settings."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from service.config import Settings

if TYPE_CHECKING:
    from service.fetch.http import Http


def open_http(settings: Settings, **limits: float) -> "Http":
    """Return the client, to be used in a ``with`` block.

    Args:
        limits: Fields of RetryLimits that replace those of the settings.
    """
    from service.fetch.http import Http, RetryLimits

    contact = f" ({settings.fetch_contact})" if settings.fetch_contact else ""
    chosen = {
        "tries": settings.fetch_tries,
        "timeout_seconds": settings.fetch_timeout_seconds,
        "pause_seconds": settings.fetch_pause_seconds,
        "wait_seconds": settings.fetch_wait_seconds,
    } | limits
    return Http(
        f"paperfeed/{version('paperfeed')}{contact}",
        RetryLimits(**chosen),  # type: ignore[arg-type]  # ``tries`` is an int
        allow_private_redirects=settings.fetch_private_redirects,
    )
