"""Reading of a user's reference library in BibTeX, RIS or Zotero's CSV export."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.domain.errors import InvalidFile
from service.ingest.libraries.bibtex import parse_bibtex
from service.ingest.libraries.entry import LibraryEntry, RawEntry, library_entry
from service.ingest.libraries.identity import distinct_papers
from service.ingest.libraries.ris import parse_ris, ris_start
from service.ingest.libraries.zotero_csv import is_zotero_csv, parse_zotero_csv
from service.ingest.problems import Problem
from service.ingest.source import Source, read_any_text, source_name

LibraryFormat: TypeAlias = Literal["bibtex", "ris", "zotero-csv"]

_BIBTEX_ENTRY = re.compile(r"@\s*[A-Za-z]\w*\s*[{(]")
_HTML = re.compile(r"\s*<(?:!doctype html|html|head|body|\?xml)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Library:
    """What a library file holds.

    Attributes:
        papers: One entry per paper, in the file's order.
        entries: All entries that were read; more than the papers if some entries describe the same paper.
        places: Place of each entry's paper in ``papers``.
        skipped: The entries that were left out.
        repaired: Entries that were read although something was wrong in them, and what was wrong in other parts of the
            file.
    """

    papers: list[LibraryEntry]
    entries: list[LibraryEntry]
    places: list[int]
    skipped: list[Problem]
    repaired: list[Problem]

    @property
    def read_count(self) -> int:
        """Number of entries that were read."""
        return len(self.entries)


def read_library(source: Source, *, strict: bool = False) -> Library:
    """Return the papers of a library in its order. The format is detected from the content.

    Entries with the same arXiv id, DOI or title are one paper. It is described by the first entry, and was added at the
    earliest known time of them.

    Args:
        strict: Whether a single problem refuses the whole file.

    Raises:
        InvalidFile: The file is unreadable, cut off, or has no known format or no entry; with ``strict`` also the first
            problem of the file.
    """
    name = source_name(source)
    text, hint = read_any_text(source)
    found = _detected_format(text, name)
    parse = {"bibtex": parse_bibtex, "ris": parse_ris, "zotero-csv": parse_zotero_csv}[found]
    library = library_of(parse(text, name), name, [Problem(None, "", hint)] if hint else [])
    if not library.entries and not library.skipped:
        raise InvalidFile(name, f"has no entry ({found})")
    if strict and (library.skipped or library.repaired):
        first = min(library.skipped + library.repaired, key=lambda problem: problem.line or 0)
        raise InvalidFile(name, f"{first.key}: {first.reason}" if first.key else first.reason, line=first.line)
    return library


def library_of(
    read: Iterable[LibraryEntry | RawEntry | Problem], name: str, repaired: Sequence[Problem] = ()
) -> Library:
    """Return the library of entries from any format or API.

    Args:
        name: Where the entries come from, for errors.
        repaired: Problems that were found before.
    """
    entries, skipped, problems = _sorted_out(read, name)
    papers, places, conflicts = distinct_papers(entries)
    return Library(papers, entries, places, skipped, [*repaired, *problems, *conflicts])


def _detected_format(text: str, name: str) -> LibraryFormat:
    if is_zotero_csv(text):
        return "zotero-csv"
    bibtex, ris = _BIBTEX_ENTRY.search(text), ris_start(text)
    if ris is not None and not (bibtex and bibtex.start() < ris):
        return "ris"
    if bibtex:
        return "bibtex"
    if _HTML.match(text):
        raise InvalidFile(name, "is a web page without a library: was it saved in place of a download?")
    raise InvalidFile(name, "is neither BibTeX nor RIS nor a CSV export of Zotero")


def _sorted_out(
    read: Iterable[LibraryEntry | RawEntry | Problem], name: str
) -> tuple[list[LibraryEntry], list[Problem], list[Problem]]:
    """Return the entries, the problems of those left out, and the problems of those that were still read."""
    entries: list[LibraryEntry] = []
    skipped: list[Problem] = []
    repaired: list[Problem] = []
    for raw in read:
        entry = library_entry(raw, name) if isinstance(raw, RawEntry) else raw
        if isinstance(entry, Problem):
            skipped.append(entry)
        else:
            entries.append(entry)
            repaired += [Problem(entry.line, entry.key, problem) for problem in entry.problems]
    return entries, skipped, repaired
