"""The abstract of an entry, without the notices that publishers' feeds add to it or give instead of it.

Notices are the journal, volume and pages, the state ("EarlyView", "Ahead of Print"), dates of publication, the DOI, the
title, the authors, headings such as "ABSTRACT", and advertisements for the web page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.domain.papers import MAX_ABSTRACT_LENGTH
from service.ingest.digests.names import are_names
from service.ingest.markup import text_blocks

MAX_NOTICE_LENGTH = 400
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|spring|summer|autumn|fall|winter)[a-z]{0,6}\.?"
_DATE = (
    rf"(?:\d{{1,2}} )?{_MONTH}(?:[/\u2013-]{_MONTH})?(?: \d{{1,2}},?)? \d{{4}}|\d{{4}} {_MONTH}(?: \d{{1,2}})?|"
    r"\d{4}-\d\d(?:-\d\d)?|\d{1,2}[/.]\d{1,2}[/.]\d{4}|\d{4}"
)
_PART = (
    r"(?i:issue|no\.?|number|pages?|pp?\.|article(?: id| no\.?| number)?|supplement|suppl\.?|part|special issue|"
    rf"ver(?:sion)?\.?) ?[\w./\u2013-]{{1,40}}|{_DATE}|\d+(?:\(\w+\))?: ?[\w\u2013-]{{1,40}}"
)
_ISSUE = rf"(?i:volume|vol\.?) [\w.\u2013-]{{1,20}}(?: ?[,;(] ?(?:{_PART})\)?){{0,8}}"
_STATE = (
    r"(?i:early ?view|(?:publish |online )?ahead of print|online ?first(?: articles?)?|articles? in press|"
    r"just accepted|(?:available )?in press|advanced? (?:article|access|online publication|publication|copy)|"
    r"latest articles|accepted (?:articles?|manuscripts?)|corrected proof|journal pre-?proofs?)"
)
_PUBLISHED = (
    r"(?i:publication date ?: ?(?:available online )?|(?:(?:first )?published(?: online)?|available online|"
    rf"online publication|date of publication|e-?pub(?: date)?|received|accepted|revised) ?:? ?(?:on )?)(?:{_DATE})"
)
_DOI = r"(?i:https?://(?:dx\.)?doi\.org/|doi ?:? ?)10\.\d{4,9}/[^\s;,]+"
_STATEMENT = rf"(?:{_ISSUE}|{_STATE}|{_PUBLISHED}|{_DOI})"
# The name of the journal: capitalised words and a comma. The lookaheads keep the search linear.
_JOURNAL = (
    r"(?:(?:(?:(?=[^\s;|]*[A-Z0-9&])[^\s;|]{1,40}|of|the|and|in|for|on|to|et|de|des|der|und|la|[\u2013-]) ){1,15}"
    r"(?<=[,:.] ))?"
)
_NOTICE = re.compile(rf"{_JOURNAL}{_STATEMENT}(?: ?[;,.|/]? ?{_STATEMENT})*(?: ?[.;:|,]+(?=\s|$)|$)\s*")
_WHOLE_BLOCK = re.compile(
    r"(?:graphical abstract|highlights|abstract|summary)[:.]?|source: .*|pmid: ?\d.*|\[[^\]]{3,80}\] published .{3,40}|"
    r"the post .* appeared first on .*|(?:continue reading|read more|read the full|full text)\b.*|doi ?: ?10\.\S+.*|"
    r"to cite this article before page numbers .*|the content of this rss feed .*|\W*",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^(?:(?i:abstract|summary) ?[:.\u2014\u2013-] |ABSTRACT |SUMMARY |Abstract(?=[A-Z][a-z]))\s*")
_ANNOUNCEMENT = re.compile(r"arXiv:\S{1,40} Announce Type: ?(?P<kind>[\w-]{1,30}) ?(?:Abstract: ?)?", re.IGNORECASE)
_AUTHORS = re.compile(r"authors?(?:\(s\))? ?: ?(?P<names>.+)", re.IGNORECASE)
_IS_CUT = re.compile(r"(?:…|\.\.\.|\[…\]|\[\.\.\.\])\s*$")


@dataclass(frozen=True, slots=True)
class Described:
    """The abstract of an entry, and the facts found in the notices.

    Attributes:
        authors: Text with the authors' names; empty if there is none.
        announced_as: arXiv's type of the announcement, e.g. ``new`` or ``replace-cross``; empty if there is none.
    """

    abstract: str
    authors: str = ""
    announced_as: str = ""


def described(texts: Sequence[str], *, title: str, doi: str) -> Described:
    """Return the abstract from the texts of an entry, its best one first.

    The first text that has more than notices is used. If it is cut off ("..."), a later text with the same beginning is
    used.

    Args:
        texts: HTML or plain text.
        title: The title in plain text, which some feeds repeat.
        doi: DOI of the entry, which some feeds repeat; empty if unknown.
    """
    best = Described("")
    for text in texts:
        read = _described(text, title, doi)
        goes_on = _IS_CUT.search(best.abstract) and read.abstract.startswith(best.abstract[:40])
        best = Described(
            read.abstract if goes_on or not best.abstract else best.abstract,
            best.authors or read.authors,
            best.announced_as or read.announced_as,
        )
        if best.abstract and not _IS_CUT.search(best.abstract):
            break
    return replace(best, abstract=best.abstract[:MAX_ABSTRACT_LENGTH])


def _described(text: str, title: str, doi: str) -> Described:
    kept: list[str] = []
    authors = announced_as = ""
    for block in text_blocks(text):
        if announcement := _ANNOUNCEMENT.match(block):
            announced_as, rest = announcement["kind"].lower(), block[announcement.end() :]
        else:
            rest = _without_notices(block, title, doi)
        if not kept and (named := _named_authors(rest)):
            authors = authors or named
        elif rest:
            kept.append(rest)
    return Described(_HEADING.sub("", " ".join(kept)), authors, announced_as)


def _named_authors(block: str) -> str:
    """Return the names in a block of the form "Authors: A, B" or "by A, B"; empty if it has another form."""
    if match := _AUTHORS.fullmatch(block):
        return match["names"]
    names = block.removeprefix("by ")
    return names if names != block and are_names(names) else ""


def _without_notices(block: str, title: str, doi: str) -> str:
    """Return a block without the notices at its start; empty if it has only notices."""
    for _ in range(5):
        notice = _NOTICE.match(block[:MAX_NOTICE_LENGTH])
        # A long block may be cut in the middle of a word, which then looks like its end.
        if notice is None or (notice.end() == MAX_NOTICE_LENGTH < len(block)):
            break
        block = block[notice.end() :]
    is_short = len(block) <= MAX_NOTICE_LENGTH
    if is_short and (_WHOLE_BLOCK.fullmatch(block) or (title and block.casefold() == title.casefold())):
        return ""
    return "" if doi and len(block) <= 200 and doi in block.lower() else block
