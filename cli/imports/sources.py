"""The sources that the settings name, and the client that fetches from them."""

from contextlib import AbstractContextManager
from importlib.metadata import version

from cli.imports.personal import ALL_CATEGORIES, SourceSettings
from service.config import Settings
from service.fetch.arxiv import Arxiv
from service.fetch.feed import AnyFeed
from service.fetch.hf_daily import HfDaily
from service.fetch.http import Http, RetryLimits
from service.fetch.preprints import BIORXIV, MEDRXIV, Preprints
from service.fetch.source import Source


def open_http(settings: Settings, *, bearer: str = "", **limits: float) -> AbstractContextManager[Http]:
    """Return the client with the settings' limits.

    Args:
        bearer: See ``Http``.
        limits: Fields of RetryLimits that replace those of the settings.
    """
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
        bearer=bearer,
    )


def arxiv(settings: Settings, categories: tuple[str, ...], days: int = 0) -> Arxiv:
    """Return arXiv as a source; see ``Arxiv``."""
    return Arxiv(settings.arxiv_feed_url, settings.arxiv_api_url, categories, days)


def preprints(settings: Settings, server: str, categories: tuple[str, ...], days: int = 2) -> Preprints:
    """Return bioRxiv or medRxiv as a source. The category ``all`` stands for all of them."""
    chosen = () if ALL_CATEGORIES in categories else categories
    return Preprints(settings.biorxiv_api_url, server, chosen, days)


def chosen_sources(settings: Settings, wanted: SourceSettings, days: int = 0) -> list[Source]:
    """Return the sources that the settings name.

    Args:
        days: Number of days of new papers from the archives; 0 means what they announce today.
    """
    found: list[Source] = []
    if wanted.arxiv:
        found.append(arxiv(settings, wanted.arxiv, days))
    if wanted.hf_daily:
        found.append(HfDaily(settings.hf_daily_url))
    for server, categories in ((BIORXIV, wanted.biorxiv), (MEDRXIV, wanted.medrxiv)):
        if categories:
            found.append(preprints(settings, server, categories, max(days, 2)))
    found += [AnyFeed(url) for url in wanted.feeds]
    return found
