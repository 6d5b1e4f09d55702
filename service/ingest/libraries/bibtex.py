"""Reference libraries in BibTeX and BibLaTeX, as written by JabRef, Zotero, Mendeley, Google Scholar and arXiv."""

import datetime as dt
import functools
import re
from collections.abc import Iterator
from typing import Any

from service.domain.errors import InvalidFile
from service.domain.papers import MAX_ABSTRACT_LENGTH
from service.ingest.libraries.entry import RawEntry, display_name
from service.ingest.papers import one_line
from service.ingest.third_party import third_party_parser
from service.ingest.times import parse_time

# BibTeX takes these characters literally; the LaTeX decoder would read a comment, a column or a parameter.
_BARE_SPECIAL = re.compile(r"(?<!\\)([%&#])")
# The decoder takes about 2 ms for an abstract, so it gets only texts that contain LaTeX.
_LATEX = re.compile(r"[\\{}$~]|--|``|''")
_NESTS = re.compile(r"(?<!\\)[{}\[\]]|\\(?:begin|end)\b")
MAX_DEPTH = 30
"""Nested braces, brackets and environments in one field; the decoder is recursive, and Python limits recursion."""
_TEX_NAME = re.compile(r"\\((?:La)?TeX)\b(?:\{\})?")
_ESCAPED = re.compile(r"\\([_&%#$~{}])")
_ADDED_FIELDS = ("date-added", "dateadded", "date_added", "added-at", "timestamp")


def parse_bibtex(text: str, source: str) -> Iterator[RawEntry]:
    """Return the entries in the file's order, without comments, preambles and string definitions.

    All entries with the same key count. Of a repeated field the first value counts.

    Raises:
        InvalidFile: While iterating: an entry is not closed, or not of the form ``key = value``.
    """
    with third_party_parser(source, "BibTeX", "bibtexparser"):
        import bibtexparser
        from bibtexparser import model

        blocks = bibtexparser.parse_string(text).blocks  # type: ignore[attr-defined]  # public, though not in __all__
    for block in blocks:
        line = (block.start_line or 0) + 1
        if isinstance(block, model.DuplicateBlockKeyBlock | model.DuplicateFieldKeyBlock):
            entry = block.ignore_error_block
        elif isinstance(block, model.ParsingFailedBlock):
            problem = getattr(block.error, "abort_reason", None) or "it cannot be read"
            raise InvalidFile(source, f"the BibTeX entry that begins here is invalid: {_shown(problem)}", line=line)
        else:
            entry = block
        if isinstance(entry, model.Entry):
            yield _entry(entry, line)


def _shown(problem: str) -> str:
    problem = " ".join(problem.split()).replace("`", "'")
    return problem[:1].lower() + problem[1:200]


def _entry(entry: Any, line: int) -> RawEntry:
    values: dict[str, str] = {}
    for field in entry.fields:
        values.setdefault(str(field.key).strip().lower(), _unwrapped(str(field.value)))
    is_arxiv = values.get("archiveprefix", values.get("eprinttype", "arxiv")).lower() == "arxiv"
    return RawEntry(
        place=f"entry {str(entry.key)[:100]}",
        line=line,
        title=_decoded(values.get("title", "")),
        abstract=_decoded(values.get("abstract", "")),
        authors=_authors(values.get("author", "")),
        # Without the keywords: they are personal ("to read"), but all users see the categories of a paper.
        categories=(values["primaryclass"],) if values.get("primaryclass") else (),
        url=_address(values),
        doi=_literal(values.get("doi", "")),
        eprint=_literal(values.get("eprint", "")) if is_arxiv else "",
        notes=tuple(_literal(values.get(name, "")) for name in ("journal", "journaltitle", "howpublished", "number")),
        published=values.get("date", ""),
        added_at=_added_at(values),
    )


def _unwrapped(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] + value[-1] in ("{}", '""'):
        return value[1:-1].strip()
    return value


def _literal(value: str) -> str:
    """Return an id or address, in which only escaped characters are decoded."""
    return _ESCAPED.sub(r"\1", value.strip("{} ")).strip()


def _address(values: dict[str, str]) -> str:
    for name in ("url", "howpublished", "note"):
        if match := re.search(r"https?://[^\s{}]+", _literal(values.get(name, ""))):
            return match[0]
    return ""


def _decoded(value: str) -> str:
    """Return LaTeX as plain text. Text that cannot be decoded only loses its braces."""
    if len(value) > MAX_ABSTRACT_LENGTH or not _LATEX.search(value):
        return value
    if _depth(value) > MAX_DEPTH:
        return _without_braces(value)
    try:
        with third_party_parser("", "LaTeX", "pylatexenc"):
            prepared = _TEX_NAME.sub(r"\1", _BARE_SPECIAL.sub(r"\\\1", value))
            return str(_latex_decoder().latex_to_text(prepared))
    except InvalidFile:
        return _without_braces(value)


def _without_braces(value: str) -> str:
    return value.replace("{", "").replace("}", "")


def _depth(value: str) -> int:
    """Return the nesting depth of braces, brackets and environments; more if they are not closed."""
    depth = deepest = 0
    for match in _NESTS.finditer(value):
        depth += 1 if match[0] in ("{", "[", r"\begin") else -1
        deepest = max(deepest, depth)
    return deepest


@functools.cache
def _latex_decoder() -> Any:
    # Cached: building its tables takes longer than decoding an abstract.
    from pylatexenc.latex2text import LatexNodes2Text

    return LatexNodes2Text()


def _authors(value: str) -> tuple[str, ...]:
    names = (name.strip() for name in _split_names(one_line(value)))
    return tuple(_author(name) for name in names if name and name.lower() != "others")


def _author(name: str) -> str:
    # A name in braces is an organisation: its commas do not mean "Last, First".
    return _decoded(name) if name.startswith("{") and name.endswith("}") else display_name(_decoded(name))


def _split_names(value: str) -> Iterator[str]:
    depth, start = 0, 0
    for match in re.finditer(r"[{}]| and ", value):
        if match[0] in "{}":
            depth += 1 if match[0] == "{" else -1
        elif depth <= 0:
            yield value[start : match.start()]
            start = match.end()
    yield value[start:]


def _added_at(values: dict[str, str]) -> dt.datetime | None:
    """Return the time when the entry was added, from the first field of a known tool that can be parsed."""
    for name in _ADDED_FIELDS:
        try:
            if values.get(name):
                return parse_time(values[name])
        except ValueError:
            continue
    return None
