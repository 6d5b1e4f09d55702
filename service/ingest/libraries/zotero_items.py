"""Items of a Zotero library in the JSON of Zotero's API."""

import re
from collections.abc import Iterator
from typing import Any

from service.domain.errors import InvalidFile
from service.ingest.json_record import JsonRecord, load_json
from service.ingest.libraries.entry import RawEntry
from service.ingest.problems import Problem
from service.ingest.times import parse_time

_NOT_PAPERS = frozenset({"attachment", "note", "annotation"})
_LINE_BREAK = re.compile(r"[\r\n]+")


def parse_zotero_items(text: str, source: str) -> Iterator[RawEntry | Problem]:
    """Yield the items of a page that can be papers: no attachments, notes and annotations.

    Raises:
        InvalidFile: Not JSON, or not a list.
    """
    items = load_json(text, source)
    if not isinstance(items, list):
        raise InvalidFile(source, "must be a list of items")
    for index, item in enumerate(items):
        try:
            record = JsonRecord.of(item, source, path=f"[{index}]").record("data")
            if record.text("itemType") not in _NOT_PAPERS:
                yield _entry(record)
        except InvalidFile as error:
            yield Problem(None, f"[{index}]", error.problem)


def _entry(record: JsonRecord) -> RawEntry:
    added = record.text("dateAdded")
    try:
        added_at = parse_time(added) if added else None
    except ValueError:
        added_at = None
    return RawEntry(
        key=record.text("key"),
        line=None,
        title=record.text("title"),
        abstract=record.text("abstractNote"),
        authors=tuple(filter(None, map(_name, record.items("creators")))),
        url=record.text("url"),
        doi=record.text("DOI"),
        eprint=record.text("archiveID"),
        notes=tuple(_LINE_BREAK.split(record.text("extra"))),
        published=(record.text("date"),),
        added_at=added_at,
    )


def _name(creator: Any) -> str:
    if not isinstance(creator, dict) or creator.get("creatorType") != "author":
        return ""
    parts = (creator.get("name"), creator.get("firstName"), creator.get("lastName"))
    return " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
