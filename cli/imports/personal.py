"""Settings of a person's own paperfeed: the library, the sources of papers, and when to fetch and mail."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.errors import InvalidField
from settings.reader import any_path, read_settings, setting

USER = "me"
"""Id of the user whose library, feed and mail ``paperfeed up`` manages."""
ALL_CATEGORIES = "all"


@dataclass(frozen=True)
class LibrarySettings:
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

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> "LibrarySettings":
        """Return the settings; see ``service.config.Settings.read``."""
        return read_settings(cls, "PAPERFEED_LIBRARY_", environment, flags, InvalidField, table="library")


@dataclass(frozen=True)
class SourceSettings:
    """Sources of new papers. The variable of ``name`` is ``PAPERFEED_SOURCES_NAME``."""

    arxiv: tuple[str, ...] = setting((), "arXiv categories, such as cs.LG.")
    hf_daily: bool = setting(default=False, help_text="Whether to fetch the daily papers of Hugging Face.")
    biorxiv: tuple[str, ...] = setting((), "Categories of bioRxiv, such as cell_biology, or all.")
    medrxiv: tuple[str, ...] = setting((), "Categories of medRxiv, such as oncology, or all.")
    feeds: tuple[str, ...] = setting((), "Addresses of RSS, Atom or JSON feeds, such as those of journals.")

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> "SourceSettings":
        """Return the settings; see ``service.config.Settings.read``."""
        return read_settings(cls, "PAPERFEED_SOURCES_", environment, flags, InvalidField, table="sources")


@dataclass(frozen=True)
class ScheduleSettings:
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

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> "ScheduleSettings":
        """Return the settings; see ``service.config.Settings.read``."""
        return read_settings(cls, "PAPERFEED_SCHEDULE_", environment, flags, InvalidField, table="schedule")
