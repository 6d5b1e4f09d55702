"""An entry of a reference library, in any format, and the paper that it describes."""

import datetime as dt
import re
from dataclasses import dataclass

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id, derived_paper_id, doi
from service.domain.papers import Paper
from service.ingest.papers import plain_text, short_name, valid_paper, web_address
from service.ingest.times import parse_time

_ARXIV_CITATION = re.compile(r"\barxiv\s*:\s*([\w.-]+(?:/\d{7})?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A paper of a user's library; ``added_at`` (UTC) is None if the library does not say when it was added."""

    paper: Paper
    added_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry as written in the file. All texts may be empty.

    Attributes:
        place: Name of the entry in errors, e.g. ``entry vaswani2017``.
        line: Line of the entry; None if unknown.
        eprint: An id, which is used only if it looks like an arXiv id.
        notes: Texts that may cite the paper's own arXiv id ("arXiv preprint arXiv:1706.03762").
        published: Date of publication, which is used only if it is a full ISO date.
        added_at: Time when the entry was added (UTC).
    """

    place: str
    line: int | None
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    url: str = ""
    doi: str = ""
    eprint: str = ""
    notes: tuple[str, ...] = ()
    published: str = ""
    added_at: dt.datetime | None = None


def library_entry(raw: RawEntry, source: str) -> LibraryEntry:
    """Return the paper of an entry. Its id is the arXiv id, else the DOI, else made from the title.

    Raises:
        InvalidFile: The entry has no title, or a field breaks a rule of the domain.
    """
    title = plain_text(raw.title)
    if not title:
        raise InvalidFile(source, f"{raw.place} has no title", line=raw.line)
    paper_id, url = _identity(raw, title)
    paper = Paper(
        paper_id=paper_id,
        title=title,
        abstract=plain_text(raw.abstract),
        authors=tuple(plain_text(author) for author in raw.authors),
        categories=raw.categories,
        url=url,
        published_at=_full_date(raw.published),
    )
    return LibraryEntry(valid_paper(paper, source, line=raw.line, place=raw.place), raw.added_at)


def _identity(raw: RawEntry, title: str) -> tuple[str, str]:
    address, given_doi = short_name(web_address(raw.url)), short_name(raw.doi)
    cited = (match[1] for note in raw.notes if (match := _ARXIV_CITATION.search(note)))
    candidates = map(short_name, (raw.eprint, given_doi, address, *cited))
    arxiv = next((found for text in candidates if (found := arxiv_id(text))), None)
    found_doi = doi(given_doi) or doi(address)
    if arxiv is None:
        link = address or (f"https://doi.org/{found_doi}" if found_doi else "")
        return (f"doi:{found_doi}" if found_doi else derived_paper_id(title, address)), link
    # The address is an alias too, so the journal's DOI there joins the preprint with the journal paper.
    printed = found_doi is not None and arxiv_id(found_doi) is None
    return f"arxiv:{arxiv}", f"https://doi.org/{found_doi}" if printed else f"https://arxiv.org/abs/{arxiv}"


def _full_date(text: str) -> dt.datetime | None:
    try:
        return parse_time(text.strip().replace("/", "-"))
    except ValueError:
        return None


def display_name(name: str) -> str:
    """Return ``Last, First`` or ``von Last, Jr, First`` with the first name first."""
    parts = [part.strip() for part in name.split(",")]
    if len(parts) == 2:
        return f"{parts[1]} {parts[0]}".strip()
    if len(parts) == 3:
        return f"{parts[2]} {parts[0]} {parts[1]}".strip()
    return name.strip()
