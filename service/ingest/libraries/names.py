"""Names of authors in the formats of libraries, converted to first name first."""

import html
import re
from collections.abc import Iterator

from service.ingest.latex import latex_text
from service.ingest.papers import one_line

_BETWEEN_NAMES = re.compile(r"[{}]|;|\sand(?=\s)", re.IGNORECASE)
_COMMA = re.compile(r"[{},]")
_SUFFIX = re.compile(r"(?:jr|sr|[iv]{1,4})\.?", re.IGNORECASE)
_COMPANY = re.compile(r"(?:inc|ltd|llc|llp|corp|gmbh|ag|co|plc|s\.?a|usa|uk)\.?", re.IGNORECASE)
_ET_AL = re.compile(r",?\s*\bet\.?\s*al\b\.?\s*$", re.IGNORECASE)
_INITIALS = re.compile(r"(?:[^\W\d_]\.?[\s-]?){1,4}")
_LOWER_WORD = re.compile(r"(?:^|\s)(?:of|for|the|in|on)\s", re.IGNORECASE)


def bibtex_names(value: str) -> tuple[str, ...]:
    """Return the names of a BibTeX field, which ``and`` or a semicolon separates; "others" is no name.

    A name in braces is one of an organisation, unless it has the form ``Last, First``. Lists with only commas are split
    if their form is unambiguous.
    """
    written = list(_split(html.unescape(one_line(value)), _BETWEEN_NAMES))
    if len(written) == 1:
        written = _between_commas(written[0])
    return tuple(name for each in written for name in _spoken(each) if name)


def listed_names(value: str) -> tuple[str, ...]:
    """Return names that semicolons separate."""
    return tuple(display_name(name) for name in html.unescape(value).split(";") if name.strip())


def display_name(name: str) -> str:
    """Return ``Last, First``, ``von Last, Jr, First`` or ``Last, First, Jr`` with the first name first."""
    return _in_spoken_order([part.strip() for part in name.split(",")]) or name.strip()


def _between_commas(written: str) -> list[str]:
    """Return the names of ``Ida Noll, Ben Orr, Cy Poe`` and of ``Noll, I., Orr, B.``; else the text as one name."""
    parts = [part.strip() for part in _split(_ET_AL.sub("", written), _COMMA)]
    if len(parts) >= 3 and all(len(part.split()) >= 2 for part in parts):
        return parts
    if (
        len(parts) >= 4
        and len(parts) % 2 == 0
        and all(part.isupper() and _INITIALS.fullmatch(part) for part in parts[1::2])
    ):
        return [f"{last}, {first}" for last, first in zip(parts[::2], parts[1::2], strict=True)]
    return [written]


def _in_spoken_order(parts: list[str]) -> str:
    parts = [part for part in parts if part]
    if len(parts) == 2:
        return f"{parts[1]} {parts[0]}"
    if len(parts) == 3:
        last, suffix, first = parts
        if _SUFFIX.fullmatch(first):
            suffix, first = first, suffix
        return f"{first} {last} {suffix}"
    return parts[0] if len(parts) == 1 else ""


def _spoken(written: str) -> Iterator[str]:
    written = _ET_AL.sub("", written.strip())
    if not written or written.lower() == "others":
        return
    inner = _inside_braces(written)
    if inner is None:
        parts = [latex_text(part).strip() for part in _split(written, _COMMA)]
        yield _in_spoken_order(parts) or ", ".join(parts)
    elif len(names := list(_split(inner, _BETWEEN_NAMES))) and all(map(_is_person, names)):
        yield from (name for each in names for name in _spoken(each))
    else:
        yield latex_text(inner).strip()


def _inside_braces(written: str) -> str | None:
    """Return the text inside braces around the whole name; None if there are no such braces."""
    if not written.startswith("{"):
        return None
    depth = 0
    for match in re.finditer(r"[{}]", written):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return written[1:-1].strip() if match.end() == len(written) else None
    return None


def _is_person(name: str) -> bool:
    """Return whether a name in braces has the form ``Last, First`` and is not one like ``Wall, Moss of the North``."""
    parts = [part.strip() for part in _split(name, _COMMA)]
    if len(parts) != 2 or not all(0 < len(part.split()) <= 3 for part in parts):
        return False
    return not _COMPANY.fullmatch(parts[1]) and not any(map(_LOWER_WORD.search, parts))


def _split(value: str, breaks: re.Pattern[str]) -> Iterator[str]:
    """Return the parts of a text between the breaks outside braces. The pattern finds braces too."""
    depth, start = 0, 0
    for match in breaks.finditer(value):
        if match[0] in ("{", "}"):
            depth += 1 if match[0] == "{" else -1
        elif depth <= 0:
            yield value[start : match.start()]
            start = match.end()
    yield value[start:]
