"""An entry of a reference library, in any format, and the paper that it describes."""

import datetime as dt
import html
import re
from dataclasses import dataclass

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id, derived_paper_id, doi
from service.domain.papers import MAX_ABSTRACT_LENGTH, Paper
from service.ingest.latex import formula_text
from service.ingest.papers import plain_text, short_name, valid_paper, web_address
from service.ingest.problems import Problem
from service.ingest.times import parse_time

_ARXIV_CITATION = re.compile(r"\barxiv\s*:\s*([\w.-]+(?:/\d{7})?)", re.IGNORECASE)
# RIS has YYYY/MM/DD/other, where any part may be empty.
_DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?=/|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A paper of a user's library.

    Attributes:
        added_at: UTC; None if the library does not say when the paper was added.
        key: The entry's name in the library; may be empty.
        line: First line of the entry; None if unknown.
        problems: What was wrong in the entry, although it could be read.
    """

    paper: Paper
    added_at: dt.datetime | None
    key: str = ""
    line: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry as written in the file. All texts may be empty.

    Attributes:
        key: The entry's name in the library.
        line: Line of the entry; None if unknown.
        eprint: An id, which is used only if it looks like an arXiv id.
        notes: Texts that may cite the paper's own arXiv id ("arXiv preprint arXiv:1706.03762").
        published: Dates of publication; the first full date is used.
        added_at: Time when the entry was added (UTC).
        problems: What was wrong in the entry, although it could be read.
    """

    key: str
    line: int | None
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    url: str = ""
    doi: str = ""
    eprint: str = ""
    notes: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    added_at: dt.datetime | None = None
    problems: tuple[str, ...] = ()


def library_entry(raw: RawEntry, source: str) -> LibraryEntry | Problem:
    """Return the paper of an entry, or why there is none: it has no title, or a field breaks a rule of the domain.

    The paper's id is the arXiv id, else the DOI, else made from the title.
    """
    title = plain_text(formula_text(raw.title))
    if not any(map(str.isalnum, title)):
        return Problem(raw.line, raw.key, "has no title" + "".join(f"; {problem}" for problem in raw.problems))
    paper_id, url = _identity(raw, title)
    abstract = plain_text(formula_text(raw.abstract))
    paper = Paper(
        paper_id=paper_id,
        title=title,
        abstract=abstract[:MAX_ABSTRACT_LENGTH],
        authors=tuple(plain_text(author) for author in raw.authors),
        categories=raw.categories,
        url=url,
        published_at=next((moment for text in raw.published if (moment := _full_date(text))), None),
    )
    problems = raw.problems
    if len(abstract) > MAX_ABSTRACT_LENGTH:
        problems += (f"its abstract is cut to {MAX_ABSTRACT_LENGTH:,} characters",)
    try:
        return LibraryEntry(valid_paper(paper, source), raw.added_at, raw.key, raw.line, problems)
    except InvalidFile as error:
        return Problem(raw.line, raw.key, error.problem)


def _identity(raw: RawEntry, title: str) -> tuple[str, str]:
    address, given_doi, eprint = (_name(text) for text in (web_address(raw.url), raw.doi, raw.eprint))
    cited = (_name(match[1]) for note in raw.notes if (match := _ARXIV_CITATION.search(note)))
    arxiv = next((found for text in (eprint, given_doi, address, *cited) if (found := arxiv_id(text))), None)
    found_doi = doi(given_doi) or doi(address)
    if arxiv is None:
        link = address or (f"https://doi.org/{found_doi}" if found_doi else "")
        return (f"doi:{found_doi}" if found_doi else derived_paper_id(title, address)), link
    # The address is an alias too, so the journal's DOI there joins the preprint with the journal paper.
    printed = found_doi is not None and arxiv_id(found_doi) is None
    return f"arxiv:{arxiv}", f"https://doi.org/{found_doi}" if printed else f"https://arxiv.org/abs/{arxiv}"


def _name(text: str) -> str:
    """Return an id or address without entities and invisible characters, which copying often adds."""
    return short_name("".join(character for character in html.unescape(text) if character.isprintable()).strip())


def _full_date(text: str) -> dt.datetime | None:
    try:
        parts = _DATE.match(text.strip())
        return parse_time(f"{parts[1]}-{parts[2]:0>2}-{parts[3]:0>2}" if parts else text)
    except ValueError:
        return None
