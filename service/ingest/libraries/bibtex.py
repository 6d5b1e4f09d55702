"""Reference libraries in BibTeX and BibLaTeX, as written by JabRef, Zotero, Mendeley, Google Scholar and arXiv."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping

from service.ingest.latex import latex_text
from service.ingest.libraries.bibtex_blocks import Block, Value, bibtex_blocks
from service.ingest.libraries.entry import RawEntry
from service.ingest.libraries.names import bibtex_names
from service.ingest.problems import Problem
from service.ingest.times import parse_time

_TILDE = re.compile(r"\{?\\(?:textasciitilde(?![A-Za-z])|~)(?:\{\})?\}?|\$\\sim\$")
# Mendeley puts braces around escaped characters.
_ESCAPED = re.compile(r"\{\\?([_&%#$])\}|\\([_&%#${}])")
_ADDED_FIELDS = ("date-added", "dateadded", "date_added", "added-at", "creationdate", "timestamp")
_ADDRESS_FIELDS = ("url", "link", "ee", "bdsk-url-1", "howpublished", "note")
_CITATION_FIELDS = ("journal", "journaltitle", "howpublished", "number")
# Blocks that describe no paper: sets of entries, data for other entries, and settings of styles and programs.
_NO_PAPERS = {"string", "set", "xdata", "control", "ieeetranbstctl", "bibdesk_info"}
# What a chapter may take from its book. The title, abstract, DOI and address of the book are not those of the chapter.
_SHARED_FIELDS = ("author", "date")
MAX_ANCESTORS = 10
"""Entries that one entry inherits from, through ``crossref`` and ``xdata``."""


def parse_bibtex(text: str, source: str) -> Iterator[RawEntry | Problem]:
    """Return the entries in the file's order, and the problem of each entry that cannot be read.

    Entries with the same key are all returned. If a field is repeated, its first value is used. An entry inherits
    missing fields from the entries that ``crossref`` and ``xdata`` name. A problem in a definition of strings is
    reported with the next entry.

    Raises:
        InvalidFile: While iterating: the file ends inside an entry.
    """
    blocks = list(bibtex_blocks(text, source))
    strings: dict[str, str] = {}
    for block in blocks:
        if block.type == "string":
            strings |= {name: _joined(value, strings) for name, value in block.fields.items()}
    by_key: dict[str, dict[str, str]] = {}
    read = [(block, {name: _joined(value, strings) for name, value in block.fields.items()}) for block in blocks]
    for block, values in read:
        if block.type != "string":
            by_key.setdefault(block.key.lower(), values)
    before: list[str] = []
    for block, values in read:
        if block.type == "string" and (block.failure or block.problems):
            before.append(f"the @string before it: {block.failure or block.problems[0]}")
        if block.type not in _NO_PAPERS:
            yield _entry(block, _with_inherited(values, by_key), before)
            before = []


def _joined(value: Value, strings: Mapping[str, str]) -> str:
    """Return a value with its strings joined; an undefined name of a string is used as text."""
    return "".join(strings.get(text.lower(), text) if is_name else text for text, is_name in value).strip()


def _with_inherited(values: dict[str, str], by_key: Mapping[str, dict[str, str]]) -> dict[str, str]:
    inherited = dict(values)
    waiting, seen = _ancestors(values), set[str]()
    while waiting and len(seen) < MAX_ANCESTORS:
        name, is_data = waiting.pop(0)
        if name in seen or name not in by_key:
            continue
        seen.add(name)
        others = by_key[name]
        takes_all = is_data or not inherited.get("title")
        for field in others if takes_all else _SHARED_FIELDS:
            if others.get(field):
                inherited[field] = inherited.get(field) or others[field]
        waiting += _ancestors(others)
    return inherited


def _ancestors(values: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Return the keys that ``xdata`` and ``crossref`` name, each with whether all fields are inherited from it."""
    data = [(key.strip().lower(), True) for key in values.get("xdata", "").split(",") if key.strip()]
    return data + ([(values["crossref"].strip("{} ").lower(), False)] if values.get("crossref") else [])


def _entry(block: Block, values: Mapping[str, str], before: list[str]) -> RawEntry | Problem:
    if block.failure:
        return Problem(block.line, block.key, block.failure)
    is_arxiv = (values.get("archiveprefix") or values.get("eprinttype") or "arxiv").strip("{} ").lower() == "arxiv"
    # Zotero writes the paper's own id at the start of the note; elsewhere in a note it may be that of another paper.
    note = values.get("note", "") if values.get("note", "").lower().startswith("arxiv:") else ""
    category = values.get("primaryclass") or values.get("eprintclass") or ""
    return RawEntry(
        key=block.key,
        line=block.line,
        title=_title(values),
        abstract=latex_text(values.get("abstract", "")),
        authors=bibtex_names(values.get("author", "")),
        # Without the keywords: they are personal ("to read"), but all users see the categories of a paper.
        categories=(_literal(category),) if category else (),
        url=_address(values),
        doi=_literal(values.get("doi", "")),
        eprint=_literal(values.get("eprint") or values.get("arxivid") or "") if is_arxiv else "",
        notes=(*(_literal(values.get(name, "")) for name in _CITATION_FIELDS), _literal(note)),
        published=(values.get("date", ""),),
        added_at=_added_at(values),
        problems=(*before, *block.problems),
    )


def _title(values: Mapping[str, str]) -> str:
    """Return the title and, as the other formats do, the subtitle."""
    title, subtitle = (latex_text(values.get(name, "")).strip() for name in ("title", "subtitle"))
    if not (title and subtitle) or title.endswith(subtitle):
        return title
    return f"{title} {subtitle}" if title.endswith((":", "?", "!", ".")) else f"{title}: {subtitle}"


def _literal(value: str) -> str:
    """Return an id or address, in which only escaped characters are decoded."""
    return _ESCAPED.sub(lambda match: match[1] or match[2], _TILDE.sub("~", value.strip("{} "))).strip()


def _address(values: Mapping[str, str]) -> str:
    for name in _ADDRESS_FIELDS:
        if match := re.search(r"https?://[^\s{}]+", _literal(values.get(name, ""))):
            return match[0]
    return ""


def _added_at(values: Mapping[str, str]) -> dt.datetime | None:
    """Return the time when the entry was added, from the first field of a known tool that can be parsed."""
    for name in _ADDED_FIELDS:
        try:
            if values.get(name):
                return parse_time(values[name])
        except ValueError:
            continue
    return None
