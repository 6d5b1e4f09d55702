"""Names of authors in feeds, where one element often holds several names."""

import re
from collections.abc import Iterable, Iterator, Sequence

from service.domain.papers import MAX_AUTHORS
from service.ingest.latex import latex_text
from service.ingest.libraries.names import display_name
from service.ingest.papers import plain_text

MAX_LENGTH = 50_000
"""Characters of one element. The longest real one, of a collaboration in particle physics, is about as long."""
_LEAD = re.compile(r"^(?:by|authors?(?:\(s\))?:)\s+", re.IGNORECASE)
_BRACKETS = re.compile(r"\([^()]*\)")
_ENDING = re.compile(r"[,;]?\s*\bet\s+al\b\.?$", re.IGNORECASE)
_AND = re.compile(r",?\s+(?:and|&|und|et|y)\s+")
_SUFFIXES = frozenset({"jr", "jr.", "sr", "sr.", "ii", "iii", "iv", "phd", "ph.d.", "md", "m.d."})
_SMALL_WORDS = {"al", "bin", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "la", "le", "ten",
                "ter", "van", "von", "zu"}  # fmt: skip


def author_names(texts: Sequence[str], *, is_arxiv: bool = False) -> tuple[str, ...]:
    """Return the names in the elements of one entry, first names first.

    ``Ek, M., Roi, B. C.`` are two names, and so are ``Di Lim, Cy Poe`` and ``Noll, Ida; Lim, Di``. Accents in TeX are
    decoded. Mail addresses, affiliations in brackets and "et al." are left out.

    Args:
        is_arxiv: Whether the elements are arXiv's, which always writes first names first.
    """
    cleaned = [text for text in map(_cleaned, texts[:MAX_AUTHORS]) if text]
    found = (name for text in cleaned for name in _split(text, is_one=len(cleaned) > 1, is_arxiv=is_arxiv))
    return tuple(dict.fromkeys(name for name in found if name))[:MAX_AUTHORS]


def are_names(text: str) -> bool:
    """Return whether a text consists of capitalised names with commas between them, and nothing else."""
    words = text.replace(",", " ").split()
    return 2 <= len(words) <= 1_000 and all(_is_word_of_name(word) for word in words) and len(text) < MAX_LENGTH


def _is_word_of_name(word: str) -> bool:
    return word[0].isupper() or word in _SMALL_WORDS or word in {"and", "&"}


def _cleaned(text: str) -> str:
    text = _LEAD.sub("", plain_text(latex_text(text[:MAX_LENGTH])))
    if "@" in text:  # "ida@example.org (Ida Noll)"
        text = " ".join(word for word in text.split() if "@" not in word)
        text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    text = _BRACKETS.sub(" ", _BRACKETS.sub(" ", text))
    return _ENDING.sub("", " ".join(text.split())).strip(" ,;").replace(" ,", ",")


def _split(text: str, *, is_one: bool, is_arxiv: bool) -> Iterable[str]:
    if is_arxiv:
        return _stripped(text.split(","))
    if ";" in text:
        return (name for part in _stripped(text.split(";")) for name in _split(part, is_one=True, is_arxiv=False))
    parts = _with_suffixes(_stripped(_listed(text).split(",")))
    firsts, seconds = parts[::2], parts[1::2]
    is_paired = len(firsts) == len(seconds)
    if is_paired and all(map(_are_initials, seconds)) and not all(map(_are_initials, firsts)):
        return _pairs(firsts, seconds)
    if len(parts) == 2 and (is_one or _is_short(parts[0]) or _is_short(parts[1])):
        return (display_name(", ".join(parts)),)
    if is_paired and len(parts) > 2 and all(map(_is_short, parts)):
        return _pairs(firsts, seconds)
    return parts


def _listed(text: str) -> str:
    """Return a list of names with commas in place of "and"."""
    parts = _AND.split(text)
    if len(parts) > 1 and ("," in text or all(2 <= len(part.split()) <= 4 and are_names(part) for part in parts)):
        return ", ".join(parts)
    return text


def _stripped(parts: Iterable[str]) -> list[str]:
    return [text for part in parts if (text := part.strip())]


def _with_suffixes(parts: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        if joined and part.lower() in _SUFFIXES:
            joined[-1] += f" {part}"
        else:
            joined.append(part)
    return joined


def _are_initials(text: str) -> bool:
    letters = re.split(r"[\s.\-\u2010]+", text.strip(" ."))
    return all(0 < len(each) <= 2 and each.isupper() for each in letters)


def _is_short(text: str) -> bool:
    """Return whether a text is one word, perhaps with "van" or "de" before it, and so cannot be a full name."""
    return sum(word not in _SMALL_WORDS for word in text.split()) == 1


def _pairs(families: Sequence[str], firsts: Sequence[str]) -> Iterator[str]:
    return (f"{first} {family}" for family, first in zip(families, firsts, strict=True))
