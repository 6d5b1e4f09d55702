"""The sources that the settings name."""

from cli.imports.personal import ALL_CATEGORIES, SourceSettings
from service.config import Settings
from service.fetch.arxiv import Arxiv
from service.fetch.feed import AnyFeed
from service.fetch.hf_daily import HfDaily
from service.fetch.preprints import BIORXIV, MEDRXIV, Preprints
from service.fetch.source import Source


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
