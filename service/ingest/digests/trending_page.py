"""Text of the Hugging Face trending page, as copied from a browser.

The page has a header of short paragraphs (menu words, an invitation to subscribe, a day such as "Mar 11"), then titles
and abstracts in turn. Blank lines separate all paragraphs. The text has no ids, authors, votes or year. Parsing is
strict, because one extra paragraph would pair every later title with a wrong abstract.
"""

import datetime as dt
import re
from dataclasses import dataclass

from service.domain.errors import InvalidFile
from service.domain.identifiers import derived_paper_id
from service.domain.papers import Paper
from service.ingest.papers import SeenPapers, one_line, snippet, valid_paper

MAX_TITLE_LENGTH = 300
MIN_ABSTRACT_LENGTH = 80
MAX_HEADER_PARAGRAPHS = 20
MAX_HEADER_LENGTH = 100

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = re.compile(
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.? (\d{1,2})(?:, (\d{4}))?",
    re.IGNORECASE | re.ASCII,
)
# Paragraphs that are not titles, for a page without a day.
_MENU = re.compile(
    r"new|trending|(?:daily|trending|new) papers|papers|daily|weekly|monthly|subscribe|follow|log ?in|sign ?up|search|"
    r"get trending papers in your email inbox!?|by ?.{1,60}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Paragraph:
    line: int
    text: str
    line_count: int


def parse_trending_page(text: str, source: str, *, date: dt.date) -> tuple[Paper, ...]:
    """Return the papers in the page's order. Their ids are hashes of the titles.

    Args:
        text: Text of the page, with line feeds as line endings.
        source: Name of the file in errors.
        date: Date of the page. If the header names a day, it must be the same.

    Raises:
        InvalidFile: The paragraphs do not pair up, the header names another day, or a title comes twice.
    """
    paragraphs = _without_header(_paragraphs(text), source, date)
    seen = SeenPapers(source)
    papers: list[Paper] = []
    for index in range(0, len(paragraphs), 2):
        title = _checked_title(paragraphs[index], source)
        if index + 1 == len(paragraphs):
            raise InvalidFile(source, f"no abstract follows the title {snippet(title.text)}", line=title.line)
        abstract = _checked_abstract(paragraphs[index + 1], title, source)
        paper = Paper(derived_paper_id(title.text), title.text, abstract.text)
        papers.append(valid_paper(paper, source, line=title.line))
        seen.add(papers[-1].paper_id, title.line)
    return tuple(papers)


def has_header(text: str) -> bool:
    """Return whether a text begins with the day or the menu of the page."""
    paragraphs = _paragraphs(text)
    header = [paragraph.text for paragraph in paragraphs[:MAX_HEADER_PARAGRAPHS]]
    return bool(header) and (_MENU.fullmatch(header[0]) is not None or any(map(_DAY.fullmatch, header)))


def _paragraphs(text: str) -> list[_Paragraph]:
    paragraphs: list[_Paragraph] = []
    lines: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            lines.append(line)
        elif lines:
            paragraphs.append(_Paragraph(number - len(lines), one_line(" ".join(lines)), len(lines)))
            lines = []
    return paragraphs


def _without_header(paragraphs: list[_Paragraph], source: str, date: dt.date) -> list[_Paragraph]:
    for index, paragraph in enumerate(paragraphs[:MAX_HEADER_PARAGRAPHS]):
        if len(paragraph.text) > MAX_HEADER_LENGTH:
            break
        if day := _DAY.fullmatch(paragraph.text):
            _check_day(day, paragraph, source, date)
            return paragraphs[index + 1 :]
    start = 0
    while start < len(paragraphs) and _MENU.fullmatch(paragraphs[start].text):
        start += 1
    return paragraphs[start:]


def _check_day(day: re.Match[str], paragraph: _Paragraph, source: str, date: dt.date) -> None:
    month = _MONTHS.index(day[1][:3].lower()) + 1
    if (month, int(day[2])) != (date.month, date.day) or (day[3] and int(day[3]) != date.year):
        problem = f"the page is of {paragraph.text}, but the given date is {date}"
        raise InvalidFile(source, problem, line=paragraph.line)


def _checked_title(paragraph: _Paragraph, source: str) -> _Paragraph:
    found = f"a title was expected here, but {snippet(paragraph.text)}"
    if _DAY.fullmatch(paragraph.text):
        raise InvalidFile(source, f"{found} is a date; a page has only one", line=paragraph.line)
    if len(paragraph.text) > MAX_TITLE_LENGTH:
        problem = f"{found} has {len(paragraph.text)} characters (at most {MAX_TITLE_LENGTH})"
        raise InvalidFile(source, problem, line=paragraph.line)
    if re.match(r"[#|>*+-]|\d+[.)] ", paragraph.text) or re.search(r"[.:;,]$", paragraph.text):
        raise InvalidFile(source, f"{found} is a sentence or Markdown", line=paragraph.line)
    if paragraph.line_count > 1:
        raise InvalidFile(source, f"{found} has {paragraph.line_count} lines", line=paragraph.line)
    return paragraph


def _checked_abstract(paragraph: _Paragraph, title: _Paragraph, source: str) -> _Paragraph:
    least = max(MIN_ABSTRACT_LENGTH, len(title.text))
    if len(paragraph.text) < least:
        problem = (
            f"the abstract of {snippet(title.text)} was expected here, but {snippet(paragraph.text)} has "
            f"{len(paragraph.text)} characters (at least {least})"
        )
        raise InvalidFile(source, problem, line=paragraph.line)
    return paragraph
