"""RSS and Atom documents as trees, after the check that they are harmless.

The standard library's expat reads them, in linear time and without opening addresses. feedparser is not used: it takes
quadratic time for attributes and namespaces, takes ``dc:date`` for the date of an update, and removes markup from
titles.
"""

import html.entities
import re
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from service.domain.errors import InvalidFile
from service.ingest.source import decode_utf8

MAX_DEPTH = 100
LINE = " line"
"""Attribute of items and entries with the number of their first line. No attribute of a document has this name."""
RDF_ABOUT = "http://www.w3.org/1999/02/22-rdf-syntax-ns# about"
_ROOTS = {"rss", "feed", "RDF"}
_DECLARATION = re.compile(r"^<\?xml\b[^>]*\?>")
_DECLARED_ENCODING = re.compile(rb"""^<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ENCODING = re.compile(
    r"iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|us-ascii|ascii|koi8-[ru]|macintosh|gb2312|gbk|gb18030|big5|"
    r"shift[_-]jis|euc-(?:jp|kr)"
)
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
# Text in CDATA is not changed.
_AMPERSAND = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|&(#?\w{1,32};)?", re.DOTALL | re.ASCII)
_XML_ENTITIES = {"amp;", "apos;", "gt;", "lt;", "quot;"}
_HTML_PAGE = re.compile(r"\s*(?:<!--.{0,1000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_FEED_LINK = re.compile(r"<link\b[^<>]{0,500}\bapplication/(?:rss|atom)\+xml\b[^<>]{0,500}>", re.IGNORECASE)
_HREF = re.compile(r"""\bhref\s*=\s*["']?([^\s"'<>]{1,500})""", re.IGNORECASE)
# Namespaces in lower case without "http://", by the prefix that they get in tags.
_NAMESPACES = (
    ("", ("www.w3.org/2005/atom", "purl.org/atom/ns", "my.netscape.com/", "backend.userland.com/rss")),
    ("content:", ("purl.org/rss/1.0/modules/content",)),
    ("other:", ("purl.org/rss/1.0/modules/",)),
    ("", ("purl.org/rss/1.0", "purl.org/net/rss1.1", "blogs.law.harvard.edu/tech/rss", "www.rssboard.org/")),
    ("", ("www.w3.org/1999/02/22-rdf-syntax-ns",)),
    ("dc:", ("purl.org/dc/elements/",)),
    ("dcterms:", ("purl.org/dc/terms",)),
    ("prism:", ("prismstandard.org/", "www.prismstandard.org/")),
    ("arxiv:", ("arxiv.org/schemas/",)),
)


def feed_tree(data: bytes, source: str) -> Element:
    """Return the root of a document.

    Tags of RSS and Atom have no prefix, e.g. ``title``. Tags of the namespaces above have the prefix given there, e.g.
    ``dc:creator``. All others begin with ``other:``. Entities of HTML and single ampersands are read as browsers do.

    Raises:
        InvalidFile: The document is not well-formed, is no feed, has an unknown encoding, is nested deeper than
            ``MAX_DEPTH``, or declares entities (which can make a small file huge).
    """
    decoded = _decoded(data, source)
    text = decoded.lstrip()
    if _HTML_PAGE.match(_DECLARATION.sub("", text)):
        raise InvalidFile(source, f"is a web page, not a feed{_feed_links(text)}")
    if text.startswith(("{", "[")):
        raise InvalidFile(source, "is JSON, neither RSS nor Atom nor JSON Feed")
    if not text.startswith("<"):
        raise InvalidFile(source, "is neither RSS nor Atom nor JSON Feed: it does not begin with <")
    text = _AMPERSAND.sub(_character, _CONTROL.sub(" ", _DECLARATION.sub("", text)))
    return _Tree(source, skipped_lines=decoded.count("\n") - text.count("\n")).read(text.encode("utf-8"))


def _decoded(data: bytes, source: str) -> str:
    if data.startswith(_UTF16_STARTS):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InvalidFile(source, "is broken UTF-16") from error
    declared = _DECLARED_ENCODING.match(data.lstrip())
    encoding = declared[1].decode().lower() if declared else "utf-8"
    if encoding in {"utf-8", "utf8"}:
        return decode_utf8(data, source)
    if not _ENCODING.fullmatch(encoding):
        raise InvalidFile(source, f"declares the encoding {encoding}, which is not supported; save it as UTF-8")
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InvalidFile(source, f"declares the encoding {encoding}, but is not written in it") from error


def _feed_links(page: str) -> str:
    """Return a hint with the addresses of feeds that a web page names; empty if it names none."""
    tags = (match[0] for match in _FEED_LINK.finditer(page[:500_000]))
    found = list(dict.fromkeys(href[1] for tag in tags if (href := _HREF.search(tag))))[:3]
    return f"; it names the feed {' and '.join(found)}" if found else ""


def _character(match: re.Match[str]) -> str:
    """Return the character of an HTML entity; a single ampersand is escaped."""
    if match[0].startswith("<") or match[1] in _XML_ENTITIES or (match[1] or "").startswith("#"):
        return match[0]
    name = match[1] or ""
    return html.entities.html5.get(name) or f"&amp;{name}"


class _Tree:
    """An expat parser that builds a tree. Its handlers raise InvalidFile."""

    def __init__(self, source: str, skipped_lines: int) -> None:
        self.source = source
        self.skipped_lines = skipped_lines
        self.depth = 0
        self.builder = TreeBuilder()
        self.tags: dict[str, str] = {}
        self.root_namespace = ""
        self.parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.builder.data
        self.parser.EntityDeclHandler = self.entity

    def read(self, document: bytes) -> Element:
        try:
            self.parser.Parse(document, True)  # noqa: FBT003 - the parser takes no keywords
        except expat.ExpatError as error:
            problem = f"is not well-formed XML: {expat.ErrorString(error.code)}"
            raise InvalidFile(self.source, problem, line=self.skipped_lines + error.lineno) from error
        return self.builder.close()

    def fail(self, problem: str) -> NoReturn:
        raise InvalidFile(self.source, problem, line=self.skipped_lines + self.parser.CurrentLineNumber)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.depth:
            self.root_namespace = name.rpartition(" ")[0]
        tag = self.tag(name)
        if not self.depth and tag not in _ROOTS:
            self.fail(f"is XML, but neither RSS nor Atom: its root is <{name.rpartition(' ')[2][:40]}>")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"elements are nested more than {MAX_DEPTH} levels deep")
        if tag in {"item", "entry"}:
            attributes = attributes | {LINE: str(self.skipped_lines + self.parser.CurrentLineNumber)}
        self.builder.start(tag, attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.builder.end(self.tag(name))

    def entity(self, *_: Any) -> None:
        self.fail("declares entities, which feeds must not do")

    def tag(self, name: str) -> str:
        """Return the name with the prefix of its namespace."""
        if name not in self.tags:
            namespace, _, local = name.rpartition(" ")
            self.tags[name] = ("" if namespace == self.root_namespace else _prefix(namespace)) + local
        return self.tags[name]


def _prefix(namespace: str) -> str:
    address = namespace.lower().removeprefix("http://").removeprefix("https://")
    starts = (prefix for prefix, known in _NAMESPACES if address.startswith(known))
    return next(starts, "other:") if address else ""
