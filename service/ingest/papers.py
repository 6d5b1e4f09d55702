"""What all parsers do with a paper once they have read it: clean its texts, check it, know where it stood."""

import html
import re

from service.domain.errors import InvalidField, InvalidFile
from service.domain.papers import MAX_URL_LENGTH, Paper, check_paper

# Only tags of this list, with attributes if any, are taken for HTML: "p < 0.05 and q > 0.1" and "a<b and b>c" are text.
_TAG = re.compile(
    r"</?(?:a|abbr|article|b|blockquote|br|cite|code|dd|div|dl|dt|em|figure|font|h[1-6]|hr|i|img|li|mark|ol|p|pre|q|s|"
    r"section|small|span|strong|sub|sup|table|tbody|td|th|tr|tt|u|ul|inline-formula|tex-math|jats:\w+)"
    r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"']+))*\s*/?>""",
    re.IGNORECASE,
)
_INLINE_TAG = re.compile(r"</?(?:sub|sup|b|i|em|strong|span|tt|u|small|a)\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


def one_line(text: str) -> str:
    """``text`` with every run of white space, line breaks included, as one space."""
    return " ".join(text.split())


def plain_text(text: str) -> str:
    """``text`` without HTML tags and entities, on one line."""
    without_tags = _TAG.sub(lambda tag: "" if _INLINE_TAG.match(tag.group()) else " ", text)
    return one_line(_CONTROL.sub(" ", html.unescape(without_tags)))


def web_address(text: str) -> str:
    """``text`` if it is an http(s) address, else nothing: an address ends up as a link in mails."""
    text = text.strip()
    return text if re.match(r"https?://\S+$", text, re.IGNORECASE) else ""


def short_name(text: str) -> str:
    """``text``, which may name a paper, or nothing if it is too long to: looking for a DOI takes quadratic time."""
    return text if len(text) <= MAX_URL_LENGTH else ""


def snippet(text: str) -> str:
    """The beginning of ``text``, quoted, for an error message."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return repr(shown)


def valid_paper(paper: Paper, source: str, *, line: int | None = None, place: str = "") -> Paper:
    """``paper`` with trimmed texts; ``place`` names the entry where there is no line.

    Raises:
        InvalidFile: A field breaks a rule of the domain.
    """
    try:
        return check_paper(paper, "paper")
    except InvalidField as error:
        field = error.field.removeprefix("paper.")
        raise InvalidFile(source, f"{place + ': ' if place else ''}{field}: {error.problem}", line=line) from error


class Places:
    """Where each paper of one file stands, to tell both places of a repeated one."""

    def __init__(self, source: str) -> None:
        """Starts without papers; ``source`` is what errors call the file."""
        self._source = source
        self._places: dict[str, str | int] = {}

    def add(self, paper_id: str, place: str | int) -> None:
        """Notes a paper; ``place`` is a line number or names the entry.

        Raises:
            InvalidFile: The paper stood in the file before.
        """
        earlier = self._places.get(paper_id)
        if earlier is None:
            self._places[paper_id] = place
            return
        line = place if isinstance(place, int) else None
        here = "" if isinstance(place, int) else f"{place}: "
        there = f"line {earlier}" if isinstance(earlier, int) else earlier
        raise InvalidFile(self._source, f"{here}paper {paper_id} stands at {there} already", line=line)
