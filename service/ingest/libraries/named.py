"""Papers that a person names in words: arXiv ids, addresses at arXiv, or titles, one on each line."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.domain.identifiers import arxiv_id
from service.domain.papers import Paper
from service.ingest.libraries.entry import LibraryEntry, RawEntry, library_entry
from service.ingest.problems import Problem

# Lists are often pasted with "- " or "1. " before each entry.
_MARK = re.compile(r"^\s*(?:[-*\u2022]|\d{1,3}[.)])\s+")


@dataclass(frozen=True)
class Named:
    """One line of a list: the line's one-based number, its text, and its arXiv id (None for a title)."""

    line: int
    text: str
    arxiv: str | None


def parse_names(lines: Iterable[str]) -> list[Named]:
    """Return the papers that lines name. Empty lines and lines that start with ``#`` are left out."""
    found = []
    for number, line in enumerate(lines, start=1):
        text = _MARK.sub("", line).strip()
        if text and not text.startswith("#"):
            found.append(Named(number, text, arxiv_id(text)))
    return found


def entries(names: Iterable[Named], known: Mapping[str, Paper], source: str) -> Iterator[LibraryEntry | Problem]:
    """Yield the entry of each name.

    Args:
        known: Papers of arXiv by id. An id that is missing there is a problem.
    """
    for name in names:
        if name.arxiv is None:
            yield library_entry(RawEntry(name.text[:60], name.line, name.text), source)
        elif name.arxiv in known:
            yield LibraryEntry(known[name.arxiv], None, name.arxiv, name.line)
        else:
            yield Problem(name.line, name.arxiv, "arXiv has no paper with this id")
