"""The answers that ``paperfeed init`` needs, and the files that it writes from them."""

import datetime as dt
import re
import sys
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path

from cli.home.file_text import settings_text
from cli.home.suggest import suggested_categories
from mailer.domain.address import parse_address
from mailer.subscribers.schedule import parse_schedule
from service.domain.errors import InvalidField
from service.domain.papers import Paper
from service.fetch.arxiv import check_categories
from service.fetch.zotero import check_library
from service.ingest.libraries.library import read_library
from settings.file import FILE_NAME

LIKES = "likes.txt"
_SERVER = re.compile(r"(?P<host>[^\s:\[\]/]+|\[[^\s\]]+\])(?::(?P<port>[0-9]{1,5}))?")
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass
class Answers:
    """What a person wants; empty means no.

    Attributes:
        library: Library file.
        named: arXiv ids, addresses or titles of papers.
        zotero: Zotero library, ``users/ID`` or ``groups/ID``.
        no_library: Whether there is no library yet.
        mail: Address that gets the digest; None if that is not decided yet.
        smtp: SMTP server, HOST or HOST:PORT.
    """

    library: Path | None = None
    named: list[str] = field(default_factory=list)
    zotero: str = ""
    zotero_key_file: Path | None = None
    no_library: bool = False
    arxiv: list[str] = field(default_factory=list)
    hf_daily: bool = False
    biorxiv: list[str] = field(default_factory=list)
    medrxiv: list[str] = field(default_factory=list)
    feeds: list[str] = field(default_factory=list)
    at: str = "07:00"
    zone: str = "UTC"
    mail: str | None = None
    smtp: str = ""
    smtp_user: str = ""
    smtp_password_file: Path | None = None

    @property
    def has_library(self) -> bool:
        """Whether the question about the library is answered."""
        return bool(self.library or self.named or self.zotero or self.no_library)

    @property
    def has_sources(self) -> bool:
        """Whether there is at least one source."""
        return bool(self.arxiv or self.hf_daily or self.biorxiv or self.medrxiv or self.feeds)

    def missing(self) -> list[str]:
        """Return what is not answered yet, each as the flags that answer it."""
        found = []
        if not self.has_library:
            found.append("the library: --library FILE, --zotero LIBRARY, --like PAPER or --no-library")
        if not self.has_sources:
            hint = ", ".join(f"--category {name}" for name in self.suggestions())
            found.append(
                "a source: --category, --hf-daily, --biorxiv, --medrxiv or --feed"
                + (f" (the library suggests {hint})" if hint else "")
            )
        if self.mail is None:
            found.append("whether to mail: --mail ADDRESS or --no-mail")
        elif self.mail and not self.smtp:
            found.append("the mail server: --smtp HOST:PORT")
        return found

    def papers(self) -> list[Paper]:
        """Return the papers of the library file.

        Raises:
            InvalidFile: It cannot be read.
        """
        return [entry.paper for entry in read_library(self.library).papers] if self.library else []

    def suggestions(self) -> list[str]:
        """Return the arXiv categories that the library suggests."""
        return suggested_categories(self.papers())

    def check(self) -> None:
        """Check every answer that has a form.

        Raises:
            InvalidField: One of them cannot be used.
            InvalidFile: The library cannot be read.
        """
        self.papers()
        if self.zotero:
            check_library(self.zotero, "zotero")
        if self.arxiv:
            check_categories(self.arxiv)
        for url in self.feeds:
            if not url.startswith(("http://", "https://")):
                raise InvalidField("feed", f"'{url}' does not begin with http:// or https://")
        parse_schedule("daily", self.at, self.zone)
        if self.mail:
            parse_address(self.mail)
        if self.smtp:
            self._smtp()

    def _smtp(self) -> dict[str, object]:
        found = _SERVER.fullmatch(self.smtp)
        if found is None or not 0 < int(found["port"] or 25) < 65536:
            raise InvalidField("smtp", f"'{self.smtp}' is not HOST or HOST:PORT, such as smtp.example.org:587")
        port = int(found["port"] or (587 if self.smtp_user else 25))
        is_local = found["host"] in {"localhost", "127.0.0.1"} and not self.smtp_user
        security = "none" if is_local else "tls" if port == 465 else "starttls"
        values: dict[str, object] = {"smtp_host": found["host"], "smtp_port": port, "smtp_security": security}
        if self.smtp_user:
            values["smtp_user"] = self.smtp_user
        if self.smtp_password_file:
            values["smtp_password_file"] = str(self.smtp_password_file)
        return values

    def tables(self, folder: Path) -> dict[str, dict[str, object]]:
        """Return the settings by table.

        Args:
            folder: Folder of the settings file; paths in it are relative to that.
        """
        library: dict[str, object] = {}
        if self.library:
            library["file"] = _path_from(folder, self.library)
        if self.named:
            library["list"] = LIKES
        if self.zotero:
            library["zotero"] = self.zotero
        if self.zotero_key_file:
            library["zotero_key_file"] = _path_from(folder, self.zotero_key_file)
        lists = {"arxiv": self.arxiv, "biorxiv": self.biorxiv, "medrxiv": self.medrxiv, "feeds": self.feeds}
        sources: dict[str, object] = {name: names for name, names in lists.items() if names}
        if self.hf_daily:
            sources["hf_daily"] = True
        database = "sqlite:///paperfeed.db"
        mail: dict[str, object] = {"db": database}
        schedule: dict[str, object] = {"at": self.at, "zone": self.zone}
        if self.mail:
            schedule["mail_to"] = self.mail
            mail |= {"sender_address": self.smtp_user if "@" in self.smtp_user else self.mail} | (
                self._smtp() if self.smtp else {}
            )
        return {
            "library": library,
            "sources": sources,
            "schedule": schedule,
            "service": {"db": database},
            "mail": mail,
        }

    def files(self, folder: Path, *, systemd: bool, github: bool) -> dict[Path, str]:
        """Return the text of each file to write, by path."""
        found = {folder / FILE_NAME: settings_text(self.tables(folder))}
        if self.named:
            found[folder / LIKES] = "# One paper on each line: an arXiv id, an address or a title.\n" + "".join(
                f"{name}\n" for name in self.named
            )
        if systemd:
            found[folder / "paperfeed.service"] = _filled(
                # Of the whole line, systemd reads only % in a special way.
                "paperfeed.service",
                folder=str(folder.absolute()).replace("%", "%%"),
                command=_command(),
            )
        if github:
            hour, minute = self._utc()
            path = folder / ".github" / "workflows" / "paperfeed.yml"
            found[path] = _filled("paperfeed.yml", hour=str(hour), minute=str(minute))
        return found

    def _utc(self) -> tuple[int, int]:
        """Return hour and minute of the time in UTC, as of today."""
        time = dt.time.fromisoformat(self.at)
        local = dt.datetime.combine(dt.datetime.now(dt.UTC).date(), time, zoneinfo.ZoneInfo(self.zone))
        there = local.astimezone(dt.UTC)
        return there.hour, there.minute


def _path_from(folder: Path, path: Path) -> str:
    """Return the path relative to the folder if it lies below, else absolute."""
    path, folder = path.expanduser().absolute(), folder.absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _filled(name: str, **values: str) -> str:
    """Return a template with its ``@NAME@`` replaced."""
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    return text


def _for_systemd(word: str) -> str:
    """Return a word as systemd's command lines quote it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped


def _command() -> str:
    """Return the command line of ``paperfeed`` in this environment."""
    script = Path(sys.executable).with_name("paperfeed")
    words = [str(script)] if script.exists() else [sys.executable, "-P", "-m", "cli.main"]
    return " ".join(map(_for_systemd, words))
