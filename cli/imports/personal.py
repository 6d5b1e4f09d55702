"""Settings of a person's own paperfeed: the library, the sources of papers, and when to fetch and mail."""

from dataclasses import dataclass

from service.domain.errors import InvalidField
from settings.reader import BaseSettings, any_path, setting

USER = "me"
"""Id of the user whose library, feed and mail ``paperfeed up`` manages."""
ALL_CATEGORIES = "all"


@dataclass(frozen=True)
class LibrarySettings(BaseSettings, prefix="PAPERFEED_LIBRARY_", table="library", invalid=InvalidField):
    """Where the papers lie that the user likes. The variable of ``name`` is ``PAPERFEED_LIBRARY_NAME``."""

    file: str = setting(
        "", "Library file whose papers become likes: BibTeX, RIS or a CSV export of Zotero.", is_path=any_path
    )
    list: str = setting(
        "",
        "File with one paper on each line, as an arXiv id, an address at arXiv or a title. These papers become likes.",
        is_path=any_path,
    )
    zotero: str = setting("", "Zotero library whose papers become likes: users/ID or groups/ID.")
    zotero_key_file: str = setting(
        "", "File that holds the Zotero API key; a public library needs none.", is_path=any_path
    )
    zotero_collections: bool = setting(
        default=False, help_text="Whether each collection of the Zotero library is an interest."
    )


@dataclass(frozen=True)
class SourceSettings(BaseSettings, prefix="PAPERFEED_SOURCES_", table="sources", invalid=InvalidField):
    """Sources of new papers. The variable of ``name`` is ``PAPERFEED_SOURCES_NAME``."""

    arxiv: tuple[str, ...] = setting((), "arXiv categories, such as cs.LG.")
    hf_daily: bool = setting(default=False, help_text="Whether to fetch the daily papers of Hugging Face.")
    biorxiv: tuple[str, ...] = setting((), "Categories of bioRxiv, such as cell_biology, or all.")
    medrxiv: tuple[str, ...] = setting((), "Categories of medRxiv, such as oncology, or all.")
    feeds: tuple[str, ...] = setting((), "Addresses of RSS, Atom or JSON feeds, such as those of journals.")


@dataclass(frozen=True)
class ScheduleSettings(BaseSettings, prefix="PAPERFEED_SCHEDULE_", table="schedule", invalid=InvalidField):
    """When ``paperfeed up`` fetches and mails. The variable of ``name`` is ``PAPERFEED_SCHEDULE_NAME``."""

    at: str = setting("07:00", "Local time at which new papers are fetched, HH:MM. Mail follows when it is due.")
    days: tuple[str, ...] = setting(
        ("1", "2", "3", "4", "5", "6", "7"), "Weekdays of fetching and mail, from 1 (Monday) to 7 (Sunday)."
    )
    zone: str = setting("UTC", "Time zone of that time, such as Europe/Vienna.")
    mail_to: str = setting("", "Address that gets the digest by mail; empty: no mail.")
    mail_papers: int = setting(10, "Number of papers in a mail.", at_least=1, at_most=50)
    mail_every_minutes: float = setting(
        15.0, "Minutes between two looks whether mail is due.", at_least=0.1, at_most=1440
    )
