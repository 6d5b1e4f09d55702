"""Asks the questions of ``paperfeed init`` on a terminal. Answers that flags gave are not asked for."""

from collections.abc import Callable
from pathlib import Path

import typer

from cli.home.answers import Answers
from cli.output import show_text
from mailer.domain.address import parse_address
from mailer.errors import MailerError
from mailer.subscribers.schedule import parse_schedule
from service.domain.errors import PaperfeedError
from service.fetch.arxiv import check_categories
from service.fetch.zotero import check_library
from service.ingest.libraries.library import read_library

_LIBRARY = """1. Where are the papers that you like?
   1  in a file: BibTeX, RIS or a CSV export of Zotero
   2  in a Zotero library on zotero.org
   3  I paste arXiv ids or titles
   4  nothing yet"""


def ask(answers: Answers, *, asks_time: bool) -> None:
    """Ask for what is missing, and store it in the answers. A wrong answer is explained and asked for again.

    Args:
        asks_time: Whether to ask for time and zone; they have defaults.
    """
    if not answers.has_library:
        _ask_library(answers)
    if not answers.has_sources:
        _ask_sources(answers)
    if asks_time:
        answers.at = _asked("4. At what time should papers be fetched each day? HH:MM", answers.at, _check_time)
        answers.zone = _asked(
            "   In which time zone?", answers.zone, lambda text: parse_schedule("daily", "07:00", text)
        )
    if answers.mail is None or (answers.mail and not answers.smtp):
        _ask_mail(answers)


def _ask_library(answers: Answers) -> None:
    show_text(_LIBRARY)
    kind = _asked("   Your choice", "1", _one_of("1", "2", "3", "4"))
    if kind == "1":
        path = _asked("   Path of the file", "", lambda text: read_library(Path(text).expanduser()))
        answers.library = Path(path)
    elif kind == "2":
        show_text("   zotero.org/settings/keys shows your number, and makes a key that may read the library.")
        answers.zotero = _asked("   Library, users/ID or groups/ID", "", _check_zotero)
        key = _asked("   File that holds the key (empty for a public library)", "", _check_file)
        answers.zotero_key_file = Path(key) if key else None
    elif kind == "3":
        show_text("   One paper on each line; an empty line ends the list.")
        while line := typer.prompt("  ", default="", show_default=False).strip():
            answers.named.append(line)
        answers.no_library = not answers.named
    else:
        answers.no_library = True


def _ask_sources(answers: Answers) -> None:
    suggested = ",".join(answers.suggestions())
    show_text("2. Which archives do you want to follow? Leave a line empty to skip it.")
    while True:
        answers.arxiv = _list(_asked("   arXiv categories, such as cs.LG,cs.CL", suggested, _check_categories))
        answers.hf_daily = typer.confirm("   The daily papers of Hugging Face (machine learning)?", default=False)
        answers.biorxiv = _list(_asked("   bioRxiv categories, such as cell_biology, or all", ""))
        answers.medrxiv = _list(_asked("   medRxiv categories, such as oncology, or all", ""))
        answers.feeds = _asked("3. Addresses of other feeds (RSS, Atom), such as a journal's", "").split()
        if answers.has_sources:
            return
        show_text("   At least one source is needed.")


def _ask_mail(answers: Answers) -> None:
    if answers.mail is None:
        answers.mail = _asked("5. Mail the papers to (empty: no mail)", "", lambda text: text and parse_address(text))
    if not answers.mail:
        return
    answers.smtp = _asked("   Mail server that sends them, HOST:PORT", "", _needed)
    answers.smtp_user = _asked("   User to log in as there (empty: no log-in)", "")
    if answers.smtp_user:
        answers.smtp_password_file = Path(_asked("   File that holds the password", "", _needed))


def _asked(question: str, default: str, check: Callable[[str], object] = lambda _: None) -> str:
    while True:
        text: str = typer.prompt(question, default=default, show_default=bool(default)).strip()
        try:
            check(text)
        except (PaperfeedError, MailerError, ValueError) as error:
            show_text(f"   {error}")
        else:
            return text


def _list(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _one_of(*words: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if text not in words:
            raise ValueError(f"choose one of {', '.join(words)}")

    return check


def _needed(text: str) -> None:
    if not text:
        raise ValueError("an answer is needed")


def _check_file(text: str) -> None:
    if text and not Path(text).expanduser().is_file():
        raise ValueError(f"there is no file {text}")


def _check_zotero(text: str) -> None:
    check_library(text, "zotero")


def _check_categories(text: str) -> None:
    if text:
        check_categories(_list(text))


def _check_time(text: str) -> None:
    parse_schedule("daily", text, "UTC")
