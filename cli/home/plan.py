"""What ``paperfeed up`` has to do, from the settings: the steps at the start, those of each day, and the parts."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from cli.imports.personal import USER, LibrarySettings, ScheduleSettings, SourceSettings
from mailer.config import MailSettings
from service.config import Settings
from service.domain.errors import InvalidField
from settings.file import FileProblem
from settings.reader import settings_file

FIRST_DAYS = 4
"""Days of papers that the first fetch takes from the archives, so that there is a digest on any weekday."""


@dataclass(frozen=True)
class Home:
    """A person's paperfeed: its settings file and what the settings say."""

    path: Path
    service: Settings
    mail: MailSettings
    library: LibrarySettings
    sources: SourceSettings
    schedule: ScheduleSettings

    @property
    def has_sources(self) -> bool:
        """Whether papers are fetched from anywhere."""
        return self.sources != SourceSettings()

    @property
    def library_steps(self) -> list[str]:
        """The commands that turn the library into likes. Repeating them changes nothing."""
        listed = [_step("library", "add", "--from", self.library.list, "--user", USER)] if self.library.list else []
        return [*self.sync_steps, *listed]

    @property
    def sync_steps(self) -> list[str]:
        """Those of the commands that are repeated before each fetch."""
        steps, wanted = [], self.library
        if wanted.file:
            steps.append(_step("library", "sync", "file", wanted.file, "--user", USER))
        if wanted.zotero:
            key = ["--key-file", wanted.zotero_key_file] if wanted.zotero_key_file else []
            collections = f"--{'' if wanted.zotero_collections else 'no-'}collections-as-interests"
            steps.append(
                _step("library", "sync", "zotero", "--user", USER, "--library", wanted.zotero, *key, collections)
            )
        return steps

    def fetch_step(self, *, is_first: bool) -> str:
        """Return the command that fetches from all sources.

        Args:
            is_first: Whether there is no digest yet.
        """
        return f"fetch all --days {FIRST_DAYS}" if is_first else "fetch all"

    def at_port(self, port: int) -> "Home":
        """Return the same with this port of the server, in place of 0."""
        return replace(self, service=replace(self.service, port=port))


def open_home() -> Home:
    """Read the settings file that was chosen, or that lies in this folder or a parent, with all its tables.

    Raises:
        InvalidField: There is none, or it has a mistake.
    """
    try:
        file = settings_file()
    except FileProblem as error:
        raise InvalidField(error.place, error.problem) from None
    if file is None:
        problem = f"there is no paperfeed.toml in {Path.cwd()} or a parent folder; make one with: paperfeed init"
        raise InvalidField("config", problem)
    home = Home(
        file.path,
        Settings.read(),
        MailSettings.read(),
        LibrarySettings.read(),
        SourceSettings.read(),
        ScheduleSettings.read(),
    )
    if home.schedule.mail_to and not home.has_sources:
        raise InvalidField(file.place("schedule", "mail_to"), "asks for mail, and the table [sources] names no source")
    return home


def _step(*words: str) -> str:
    return shlex.join(words)
