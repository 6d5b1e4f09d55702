"""Items of a Zotero library as its web API returns them: JSON with a ``data`` object each."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from service.ingest.libraries.entry import RawEntry
from service.ingest.papers import snippet
from service.ingest.times import parse_time

NOT_PAPERS = frozenset({"note", "attachment", "annotation"})
"""Types of items that are no papers."""


def zotero_entry(data: Mapping[str, Any]) -> RawEntry:
    """Return an item's fields. ``data`` is any JSON object; fields of a wrong type count as missing."""
    added_at, problem = _added_at(_text(data, "dateAdded"))
    return RawEntry(
        key=_text(data, "key")[:100],
        line=None,
        # Some types have their own name for the title.
        title=next((found for name in _TITLES if (found := _text(data, name))), ""),
        abstract=_text(data, "abstractNote"),
        authors=_authors(data.get("creators")),
        url=_text(data, "url"),
        doi=_text(data, "DOI"),
        eprint=_text(data, "archiveID"),
        notes=(_text(data, "extra"), _text(data, "publicationTitle")),
        published=(_text(data, "date"),),
        added_at=added_at,
        problems=(problem,) if problem else (),
    )


_TITLES = ("title", "subject", "caseName", "nameOfAct")


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value.strip() if isinstance(value, str) else ""


def _authors(creators: Any) -> tuple[str, ...]:
    """Return the authors with the first name first; of an item without authors none, as in the CSV export."""
    if not isinstance(creators, list):
        return ()
    authors = [each for each in creators if isinstance(each, dict) and each.get("creatorType") == "author"]
    names = (_text(each, "name") or f"{_text(each, 'firstName')} {_text(each, 'lastName')}".strip() for each in authors)
    return tuple(name for name in names if name)


def _added_at(text: str) -> tuple[dt.datetime | None, str]:
    try:
        return (parse_time(text) if text else None), ""
    except ValueError as error:
        return None, f"dateAdded: {snippet(text)} {error}"
