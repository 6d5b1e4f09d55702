"""Reading of a user's reference library in BibTeX, RIS or Zotero's CSV export."""

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from service.domain.errors import InvalidFile
from service.ingest.libraries.bibtex import parse_bibtex
from service.ingest.libraries.entry import LibraryEntry, RawEntry, library_entry
from service.ingest.libraries.ris import parse_ris
from service.ingest.libraries.zotero_csv import is_zotero_header, parse_zotero_csv
from service.ingest.source import Source, read_text, source_name

LibraryFormat: TypeAlias = Literal["auto", "bibtex", "ris", "zotero-csv"]

_RIS_RECORD = re.compile(r"^TY  -", re.MULTILINE)
_BIBTEX_ENTRY = re.compile(r"^[ \t]*@[ \t]*[A-Za-z]+[ \t]*[{(]", re.MULTILINE)


def read_library(
    source: Source,
    *,
    format: LibraryFormat = "auto",  # noqa: A002 - named like the command-line option
) -> list[LibraryEntry]:
    """Return the papers of a library in its order. ``auto`` detects the format from the content.

    Entries with the same arXiv id, DOI or title are one paper. It is described by the first entry, and was added at the
    earliest known time of them.

    Raises:
        InvalidFile: The file is unreadable, has no known format or no entry, or an entry breaks a rule.
    """
    name, text = source_name(source), read_text(source)
    chosen = _detected_format(text, name) if format == "auto" else format
    raw_entries: Iterable[RawEntry]
    if chosen == "bibtex":
        raw_entries = parse_bibtex(text, name)
    elif chosen == "ris":
        raw_entries = parse_ris(text, name)
    else:
        raw_entries = parse_zotero_csv(text, name)
    entries = _merged(library_entry(raw, name) for raw in raw_entries)
    if not entries:
        raise InvalidFile(name, f"has no entry ({chosen})")
    return entries


def _detected_format(text: str, name: str) -> LibraryFormat:
    if is_zotero_header(text.lstrip().split("\n", 1)[0]):
        return "zotero-csv"
    ris, bibtex = _RIS_RECORD.search(text), _BIBTEX_ENTRY.search(text)
    if ris and not (bibtex and bibtex.start() < ris.start()):
        return "ris"
    if bibtex:
        return "bibtex"
    raise InvalidFile(name, "is neither BibTeX nor RIS nor a CSV export of Zotero")


def _merged(entries: Iterable[LibraryEntry]) -> list[LibraryEntry]:
    kept: list[LibraryEntry] = []
    index_of_alias: dict[str, int] = {}
    for entry in entries:
        aliases = entry.paper.aliases
        index = next((index_of_alias[alias] for alias in aliases if alias in index_of_alias), len(kept))
        if index == len(kept):
            kept.append(entry)
        else:
            times = (kept[index].added_at, entry.added_at)
            earliest = min((time for time in times if time is not None), default=None)
            kept[index] = LibraryEntry(kept[index].paper, earliest)
        for alias in aliases:
            index_of_alias.setdefault(alias, index)
    return kept
