"""Aliases of papers: arXiv ids, DOIs and normalised titles.

Two descriptions with a common alias are the same paper. The first paper_id under which a paper was stored stays its
canonical id.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_ID_LENGTH = 200
# Real names and addresses are shorter. The patterns below take quadratic time on a megabyte of "doi:10.1000/".
MAX_NAME_LENGTH = 2_000

_ARXIV = re.compile(
    r"(?:^|arxiv[.:/]|arxiv\.org/(?:abs|pdf|html)/|huggingface\.co/papers/)"
    r"(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})(?:v\d+)?(?:\.pdf)?(?:$|[?#\s])",
    re.IGNORECASE,
)
_DOI = re.compile(r"(?:^|doi:\s*|doi\.org/)(10\.\d{4,9}/\S+)$", re.IGNORECASE)
_ARXIV_DOI = re.compile(r"^10\.48550/arxiv\.(.+)$")
_WORD = re.compile(r"\w+")


def arxiv_id(text: str) -> str | None:
    """Return the arXiv id in an id, address or citation, without its version; None if there is none."""
    if len(text) > MAX_NAME_LENGTH:
        return None
    match = _ARXIV.search(text.strip())
    if match:
        return match.group(1).lower()
    arxiv_doi = _ARXIV_DOI.match(doi(text) or "")
    return re.sub(r"v\d+$", "", arxiv_doi.group(1)) if arxiv_doi else None


def doi(text: str) -> str | None:
    """Return the DOI in an id or address, in lower case without resolver and final punctuation; None if none."""
    if len(text) > MAX_NAME_LENGTH:
        return None
    match = _DOI.search(text.strip())
    return match.group(1).lower().rstrip(".,;") if match else None


def normalised_title(title: str) -> str:
    """Return the words of a title in NFKC form without case and punctuation; empty if no word is left."""
    folded = unicodedata.normalize("NFKC", title).casefold()
    return " ".join(_WORD.findall(folded))


def title_alias(title: str) -> str | None:
    """Return the alias ``title:<hash>``; None for titles of one or two words, which many papers share."""
    words = normalised_title(title)
    return _title_hash(words) if len(words.split()) >= 3 else None


def derived_paper_id(title: str, url: str = "") -> str:
    """Return an id for a paper sent without one: its arXiv id, else its DOI, else a hash of its title."""
    return _external_alias(url) or title_alias(title) or _title_hash(title.strip())


def _title_hash(text: str) -> str:
    return f"title:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _external_alias(text: str) -> str | None:
    """Return ``arxiv:<id>`` or else ``doi:<doi>`` of the id or address in a text; None if it has neither."""
    if arxiv := arxiv_id(text):
        return f"arxiv:{arxiv}"
    found = doi(text)
    return f"doi:{found}" if found else None


def aliases_of(paper_id: str, title: str, url: str = "") -> tuple[str, ...]:
    """Return all distinct aliases of a paper, its own id first."""
    names = (paper_id, _external_alias(paper_id), _external_alias(url), title_alias(title))
    return tuple(dict.fromkeys(name for name in names if name is not None))


def is_by_title(alias: str) -> bool:
    """Return whether an alias comes from a title; different papers may share a title."""
    return alias.startswith("title:")


def are_different(kind: str, names: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether both papers have aliases of a kind (``arxiv`` or ``doi``) but none in common."""
    mine, theirs = ({name for name in each if name.startswith(f"{kind}:")} for each in (names, others))
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def share_a_name(authors: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether two lists of authors share a family name; True if either list is empty."""
    mine, theirs = (
        {words[-1] for name in each if (words := normalised_title(name).split())} for each in (authors, others)
    )
    return not mine or not theirs or not mine.isdisjoint(theirs)


def lookup_keys(name: str) -> tuple[str, ...]:
    """Return the aliases to look up for a name: the name itself and the arXiv id or DOI in it."""
    return aliases_of(name, title="")
