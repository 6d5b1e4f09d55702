"""``paperfeed init``: write paperfeed.toml from five answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destination import check_folder
from cli.output import is_terminal, show_text
from service.domain.errors import InvalidField

if TYPE_CHECKING:
    from cli.home.answers import Answers


def init(
    folder: Annotated[Path, typer.Argument(help="Folder for paperfeed.toml and the database.")] = Path(),
    library: Annotated[
        Path | None, typer.Option(help="Library whose papers you like: BibTeX, RIS or a CSV export of Zotero.")
    ] = None,
    zotero: Annotated[str, typer.Option(help="Zotero library: users/ID or groups/ID.")] = "",
    zotero_key_file: Annotated[Path | None, typer.Option(help="File that holds the Zotero API key.")] = None,
    like: Annotated[
        list[str] | None, typer.Option(help="arXiv id, address or title of a paper you like. Repeat it for more.")
    ] = None,
    no_library: Annotated[bool, typer.Option("--no-library", help="Start without liked papers.")] = False,
    category: Annotated[
        list[str] | None, typer.Option(help="arXiv category to follow, such as cs.LG. Repeat it for more.")
    ] = None,
    hf_daily: Annotated[bool, typer.Option("--hf-daily", help="Follow the daily papers of Hugging Face.")] = False,
    biorxiv: Annotated[
        list[str] | None, typer.Option(help="Category of bioRxiv, such as cell_biology, or all. Repeat it for more.")
    ] = None,
    medrxiv: Annotated[
        list[str] | None, typer.Option(help="Category of medRxiv, such as oncology, or all. Repeat it for more.")
    ] = None,
    feed: Annotated[
        list[str] | None, typer.Option(help="Address of an RSS, Atom or JSON feed. Repeat it for more.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Local time of the daily fetch, HH:MM. Default: 07:00.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone of --at. Default: that of this machine.")] = None,
    mail: Annotated[str | None, typer.Option(help="Address that gets the papers by mail.")] = None,
    no_mail: Annotated[bool, typer.Option("--no-mail", help="Send no mail.")] = False,
    smtp: Annotated[str, typer.Option(help="Mail server that sends the mail, HOST:PORT.")] = "",
    smtp_user: Annotated[str, typer.Option(help="User to log in as at the mail server.")] = "",
    smtp_password_file: Annotated[Path | None, typer.Option(help="File that holds the password of that user.")] = None,
    systemd: Annotated[bool, typer.Option("--systemd", help="Also write paperfeed.service, a systemd unit.")] = False,
    github: Annotated[
        bool, typer.Option("--github", help="Also write .github/workflows/paperfeed.yml, for GitHub Actions.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write paperfeed.toml: your library, the sources of papers, when to fetch, and whether to mail.

    On a terminal, asks for what no flag gives. Otherwise says which flags are missing.
    """
    from cli.home.answers import Answers
    from cli.home.questions import ask

    if mail is not None and no_mail:
        raise InvalidField("mail", "cannot be combined with --no-mail")
    answers = Answers(
        library=library,
        named=list(like or []),
        zotero=zotero,
        zotero_key_file=zotero_key_file,
        no_library=no_library,
        arxiv=_all(category),
        hf_daily=hf_daily,
        biorxiv=_all(biorxiv),
        medrxiv=_all(medrxiv),
        feeds=list(feed or []),
        at=at or "07:00",
        zone=zone or _local_zone(),
        mail="" if no_mail else mail,
        smtp=smtp,
        smtp_user=smtp_user,
        smtp_password_file=smtp_password_file,
    )
    answers.check()
    _check_free(folder, answers, force=force, systemd=systemd, github=github)
    check_folder("folder", folder)
    if missing := answers.missing():
        if not is_terminal():
            raise InvalidField("init", "there is no terminal to ask on; give " + "; ".join(missing))
        ask(answers, asks_time=at is None)
        answers.check()
        _check_free(folder, answers, force=force, systemd=systemd, github=github)  # an answer may need another file
    for path, text in answers.files(folder, systemd=systemd, github=github).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        show_text(f"wrote {path}")
    place = "" if folder.absolute() == Path.cwd() else f"cd {folder} && "
    show_text(f"next: {place}paperfeed up        (paperfeed doctor checks the settings first)")


def _check_free(folder: Path, answers: "Answers", *, force: bool, systemd: bool, github: bool) -> None:
    taken = [path for path in answers.files(folder, systemd=systemd, github=github) if path.exists()]
    if taken and not force:
        raise InvalidField("force", f"{', '.join(map(str, taken))} exists; --force overwrites it")


def _all(values: list[str] | None) -> list[str]:
    """Return the values of a flag that may be repeated or hold several with commas between them."""
    return [name for value in values or [] for name in value.replace(",", " ").split()]


def _local_zone() -> str:
    """Return the IANA name of this machine's time zone; UTC if it has none."""
    import zoneinfo

    from tzlocal import get_localzone_name

    try:
        name = get_localzone_name()
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        return "UTC"
    return name
