"""Functions that all parsers share: cleaning texts, checking papers, and finding repeated papers."""

import re
from dataclasses import replace

from service.domain.errors import InvalidField, InvalidFile
from service.domain.papers import MAX_AUTHOR_LENGTH, MAX_URL_LENGTH, Paper, check_paper
from service.ingest.markup import text_blocks


def one_line(text: str) -> str:
    """Return the text with each run of white space and line breaks replaced by one space."""
    return " ".join(text.split())


def plain_text(text: str) -> str:
    """Return the text on one line, without HTML, MathML, JATS and entities."""
    return " ".join(text_blocks(text))


def web_address(text: str) -> str:
    """Return the text if it is an http(s) address, else an empty text. Addresses become links in mails."""
    text = text.strip()
    return text if re.match(r"https?://\S+$", text, re.IGNORECASE) else ""


def short_name(text: str) -> str:
    """Return the id or address, or an empty text if it is too long for a paper."""
    return text if len(text) <= MAX_URL_LENGTH else ""


def snippet(text: str) -> str:
    """Return the quoted beginning of the text for an error message."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return repr(shown)


def valid_paper(paper: Paper, source: str, *, line: int | None = None, place: str = "") -> Paper:
    """Return the paper with trimmed texts. ``place`` names the entry in errors if there is no line.

    Names of authors are cut to the allowed length: arXiv has papers whose authors are all written as one name.

    Raises:
        InvalidFile: A field breaks a rule of the domain.
    """
    try:
        authors = tuple(author[:MAX_AUTHOR_LENGTH] for author in paper.authors)
        return check_paper(replace(paper, authors=authors), "paper")
    except InvalidField as error:
        field = error.field.removeprefix("paper.")
        raise InvalidFile(source, f"{place + ': ' if place else ''}{field}: {error.problem}", line=line) from error


class SeenPapers:
    """The place of each paper of one file, so that the error of a repeated paper names both places."""

    def __init__(self, source: str) -> None:
        """Create it without papers. ``source`` is the file's name in errors."""
        self._source = source
        self._places: dict[str, str | int] = {}

    def add(self, paper_id: str, place: str | int) -> None:
        """Add a paper. ``place`` is a line number or the name of the entry.

        Raises:
            InvalidFile: The paper was added before.
        """
        earlier = self._places.get(paper_id)
        if earlier is None:
            self._places[paper_id] = place
            return
        line = place if isinstance(place, int) else None
        here = "" if isinstance(place, int) else f"{place}: "
        there = f"line {earlier}" if isinstance(earlier, int) else earlier
        raise InvalidFile(self._source, f"{here}paper {paper_id} is already at {there}", line=line)
