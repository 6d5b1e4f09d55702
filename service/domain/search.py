"""Queries of the search in papers: words and quoted phrases, wanted or excluded."""

import re
from dataclasses import dataclass

from service.domain.errors import InvalidField

MAX_QUERY_LENGTH = 500
MAX_QUERY_WORDS = 32
MAX_FOUND = 1_000
"""Greatest number of papers that a search returns, over all pages."""

# An optional minus, then a phrase in double quotes (the last one may lack its end), or a word.
_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed query.

    Attributes:
        wanted: Words and phrases that a paper must contain, at least one. The words of a phrase follow one another.
        excluded: Words and phrases that a paper must not contain.
    """

    wanted: tuple[str, ...]
    excluded: tuple[str, ...] = ()


def parse_query(text: str) -> SearchQuery:
    """Return the query that a person typed. Terms without a letter or digit are left out.

    Raises:
        InvalidField: The text is too long, has too many words, a NUL character, or no word to find.
    """
    if len(text) > MAX_QUERY_LENGTH:
        raise InvalidField("query", f"has {len(text)} characters; at most {MAX_QUERY_LENGTH} are allowed")
    if "\x00" in text:
        raise InvalidField("query", "contains a NUL character")
    wanted: list[str] = []
    excluded: list[str] = []
    for match in _TERM.finditer(text):
        term = match["phrase"] if match["word"] is None else match["word"]
        if any(letter.isalnum() for letter in term):
            (excluded if match["minus"] else wanted).append(" ".join(term.split()))
    count = sum(len(term.split()) for term in (*wanted, *excluded))
    if count > MAX_QUERY_WORDS:
        raise InvalidField("query", f"has {count} words; at most {MAX_QUERY_WORDS} are allowed")
    if not wanted:
        raise InvalidField("query", "has no word to find; a word with a minus only excludes papers")
    return SearchQuery(tuple(wanted), tuple(excluded))
