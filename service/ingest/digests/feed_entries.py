"""Entries of RSS, Atom and JSON Feed as written, in one form for all formats."""

import datetime as dt
import email.utils
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from service.domain.errors import InvalidFile
from service.ingest.digests.feed_xml import LINE, RDF_ABOUT, feed_tree
from service.ingest.json_record import load_json
from service.ingest.markup import MARKED_OPENING
from service.ingest.source import decode_utf8
from service.ingest.times import parse_time

MAX_ENTRIES = 20_000
"""A feed with more is refused; the longest real one, a page of arXiv's search, has 2,000."""
MAX_DATES = 10
"""Dates of one entry, and of one feed, that are tried."""
_FEED_TITLES = ("title", "dc:title")
_FEED_DATES = ("pubDate", "published", "lastBuildDate", "updated", "modified", "dc:date")
_IDS = ("prism:doi", "dc:identifier", "guid", "id", "dcterms:identifier")
_TEXTS = ("dcterms:abstract", "description", "summary", "dc:description", "content:encoded", "content")
# The day of publication first, then the day of the journal's issue. Atom's "updated" is no date of publication.
_DATES = ("pubDate", "published", "issued", "dcterms:issued", "dc:date", "dcterms:date", "created", "dcterms:created",
          "prism:publicationDate", "prism:coverDate")  # fmt: skip
_DATE_FORMS = ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%Y/%m/%d", "%Y%m%d")
_WEB_ADDRESS = re.compile(r"https?://\S", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry as written: every text may be HTML, and may be empty.

    Attributes:
        line: First line of the entry; None in JSON.
        names: Ids and addresses that may contain a DOI or an arXiv id, most reliable first.
        authors: One text for each element, which may hold several names.
        texts: Texts that may be the abstract, most likely first.
        announced_as: arXiv's type of the announcement, e.g. ``new`` or ``replace-cross``.
    """

    line: int | None = None
    title: str = ""
    link: str = ""
    names: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    published_at: dt.datetime | None = None
    announced_as: str = ""


@dataclass(frozen=True, slots=True)
class RawFeed:
    """A feed as written. ``address`` is the address of the feed or of its web page; empty if unknown."""

    title: str
    address: str
    made_at: dt.datetime | None
    entries: tuple[FeedEntry, ...]


def read_feed(data: bytes, source: str) -> RawFeed:
    """Return the feed of an RSS, Atom or JSON Feed document.

    Raises:
        InvalidFile: The document is none of them, is not well-formed, is hostile, or has more than
            ``MAX_ENTRIES`` entries.
    """
    if is_json_feed(data):
        return _json_feed(load_json(decode_utf8(data, source), source), source)
    root = feed_tree(data, source)
    channels = [root, *(child for child in root if child.tag == "channel")]
    values = _values([child for channel in reversed(channels) for child in channel])
    address = _link(values, "")
    items = [child for channel in channels for child in channel if child.tag in {"item", "entry"}]
    _check_count(len(items), source)
    return RawFeed(
        title=_first(values, *_FEED_TITLES),
        address=address or _first(values, "id"),
        made_at=_first_time(_all(values, *_FEED_DATES)),
        entries=tuple(_entry(item, address) for item in items),
    )


def is_json_feed(data: bytes) -> bool:
    """Return whether a document claims to be a JSON Feed."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b"jsonfeed.org/version" in data[:100_000]


def parse_feed_time(text: str) -> dt.datetime | None:
    """Return a time in RFC 822, in ISO 8601, or a day in words, as UTC; None for other forms and for months."""
    text = " ".join(text.split())[:100]
    for read in (parse_time, _rfc822, lambda day: _rfc822(f"{day} 00:00:00"), _in_words):
        try:
            return read(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _rfc822(text: str) -> dt.datetime:
    moment = email.utils.parsedate_to_datetime(text)
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _in_words(text: str) -> dt.datetime:
    for form in _DATE_FORMS:
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
    raise ValueError("is not a date")


def _check_count(count: int, source: str) -> None:
    if count > MAX_ENTRIES:
        raise InvalidFile(source, f"has {count:,} entries; at most {MAX_ENTRIES:,} are allowed")


def _first_time(texts: Sequence[str]) -> dt.datetime | None:
    return next((moment for text in texts[:MAX_DATES] if (moment := parse_feed_time(text))), None)


def _entry(item: Element, base: str) -> FeedEntry:
    values = _values(item)
    address = _link(values, base)
    about = item.get(RDF_ABOUT, "")
    names = (*_all(values, *_IDS), about)
    web_names = (name.strip() for name in (*_all(values, "guid", "id"), about) if _WEB_ADDRESS.match(name.strip()))
    return FeedEntry(
        line=int(item.get(LINE, "0")),
        title=_first(values, *_FEED_TITLES),
        link=address or next(web_names, ""),
        names=names,
        authors=_authors(values),
        texts=_all(values, *_TEXTS),
        categories=(
            *(each.get("term") or _inner(each) for each in values.get("category", ())),
            *_all(values, "dc:subject"),
        ),
        published_at=_first_time(_all(values, *_DATES)),
        announced_as=_first(values, "arxiv:announce_type").strip().lower(),
    )


def _values(elements: Any) -> dict[str, list[Element]]:
    """Return elements by tag."""
    found: dict[str, list[Element]] = {}
    for element in elements:
        found.setdefault(element.tag, []).append(element)
    return found


def _all(values: dict[str, list[Element]], *tags: str) -> tuple[str, ...]:
    """Return the texts of all elements with these tags that are not blank, in the order of the tags."""
    texts = (_inner(element) for tag in tags for element in values.get(tag, ()))
    return tuple(text for text in texts if text.strip())


def _first(values: dict[str, list[Element]], *tags: str) -> str:
    return next(iter(_all(values, *tags)), "")


def _inner(element: Element) -> str:
    """Return the text of an element. Elements in it are written as HTML, and text beside them is escaped."""
    if not len(element):
        return element.text or ""
    parts: list[str] = []
    _write(element, parts)
    return "".join(parts)


def _write(element: Element, parts: list[str]) -> None:
    parts.append(html.escape(element.text or "", quote=False))
    for child in element:
        name = child.tag.rpartition(":")[2]
        name = name if name.isascii() else "span"
        parts.append(MARKED_OPENING.format(name))
        _write(child, parts)
        parts.extend((f"</{name}>", html.escape(child.tail or "", quote=False)))


def _link(values: dict[str, list[Element]], base: str) -> str:
    """Return the address of the web page of a feed or an entry; empty if it names none."""
    candidates = [
        each.get("href") if each.get("href") is not None else each.text
        for each in (*values.get("other:origLink", ()), *values.get("link", ()))
        if each.get("rel", "alternate") == "alternate"
    ]
    address = next((text.strip() for text in candidates if text and text.strip()), "")
    try:
        return urljoin(base, address) if base and address and not re.match(r"[A-Za-z][\w+.-]*:", address) else address
    except ValueError:  # e.g. an unclosed bracket in the host
        return address


def _authors(values: dict[str, list[Element]]) -> tuple[str, ...]:
    creators = values.get("dc:creator", [])
    listed = [item for each in creators for item in each.iter() if item.tag.rpartition(":")[2] == "li"]  # rdf:Seq
    if names := tuple(text for each in listed or creators if (text := _inner(each)).strip()):
        return names
    elements = (*values.get("author", ()), *values.get("authors", ()))
    named = tuple(
        _inner(each) if each.find("name") is None else _first(_values(each), "name", "dc:creator") for each in elements
    )
    return tuple(name for name in named if name.strip()) or _all(values, "dc:contributor", "dcterms:creator")


def _json_feed(value: Any, source: str) -> RawFeed:
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        raise InvalidFile(source, "is not a JSON Feed: it has no list of items")
    _check_count(len(value["items"]), source)
    return RawFeed(
        title=_text(value, "title"),
        address=_text(value, "feed_url") or _text(value, "home_page_url"),
        made_at=None,
        entries=tuple(_json_entry(item if isinstance(item, dict) else {}) for item in value["items"]),
    )


def _json_entry(item: dict[str, Any]) -> FeedEntry:
    texts = (_text(item, "summary"), _text(item, "content_html"), html.escape(_text(item, "content_text"), quote=False))
    authors = (*_objects(item.get("authors")), *_objects([item.get("author")]))
    tags = item.get("tags")
    return FeedEntry(
        title=_text(item, "title"),
        link=_text(item, "url") or _text(item, "external_url"),
        names=(_text(item, "id"), _text(item, "external_url")),
        authors=tuple(dict.fromkeys(name for author in authors if (name := _text(author, "name").strip()))),
        texts=tuple(text for text in texts if text.strip()),
        categories=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        published_at=parse_feed_time(_text(item, "date_published")),
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
