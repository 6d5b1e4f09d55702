"""The check that bytes are a harmless, well-formed RSS or Atom document, before a lenient parser reads them."""

import re
from typing import Any, NoReturn
from xml.parsers import expat

from service.domain.errors import InvalidFile
from service.ingest.source import decode_utf8

MAX_DEPTH = 100
_ROOTS = {"rss", "feed", "RDF"}
# feedparser searches for a mail address in these elements, in quadratic time of the longest ASCII word.
_PERSONS = {"author", "contributor", "creator", "email", "managingeditor", "name", "owner", "publisher", "webmaster"}
_LONG_WORD = re.compile(r"[\w.+-]{501}", re.ASCII)
_DECLARATION = re.compile(r"^<\?xml\b[^>]*\?>")
_DECLARED_ENCODING = re.compile(rb"""^<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_SINGLE_BYTE = re.compile(r"(?:iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|us-ascii|ascii)")
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff")


def utf8_feed(data: bytes, source: str) -> bytes:
    """Return the document's root element in UTF-8, without the declarations before it.

    Raises:
        InvalidFile: The document is not well-formed, is no feed, has an unknown encoding, is nested deeper than
            ``MAX_DEPTH``, or declares entities (which can make a small file huge).
    """
    decoded = _decoded(data, source)
    text = _DECLARATION.sub("", decoded.lstrip())
    return _root(text.encode("utf-8"), source, skipped_lines=decoded.count("\n") - text.count("\n"))


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
    if not _SINGLE_BYTE.fullmatch(encoding):
        raise InvalidFile(source, f"declares the encoding {encoding}, which is not supported; save it as UTF-8")
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InvalidFile(source, f"declares the encoding {encoding}, but is not written in it") from error


class _Check:
    """Handlers of an expat parser, which raise InvalidFile."""

    def __init__(self, source: str, skipped_lines: int) -> None:
        self.source = source
        self.skipped_lines = skipped_lines
        self.root_at = 0
        self.parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.EntityDeclHandler = self.entity
        self._open: list[str] = []
        self._person: list[str] | None = None

    def fail(self, problem: str) -> NoReturn:
        raise InvalidFile(self.source, problem, line=self.skipped_lines + self.parser.CurrentLineNumber)

    def start(self, name: str, _attributes: Any) -> None:
        local_name = name.rpartition(" ")[2]
        if not self._open:
            self.root_at = self.parser.CurrentByteIndex
            if local_name not in _ROOTS:
                self.fail(f"is XML, but neither RSS nor Atom: its root is <{local_name[:40]}>")
        self._open.append(local_name.lower())
        if len(self._open) > MAX_DEPTH:
            self.fail(f"elements are nested more than {MAX_DEPTH} levels deep")
        if local_name.lower() in _PERSONS and self._person is None:
            self._person = []

    def end(self, _name: str) -> None:
        self._open.pop()
        if self._person is not None and not _PERSONS.intersection(self._open):
            if _LONG_WORD.search("".join(self._person)):
                self.fail("a name has a word of more than 500 characters")
            self._person = None

    def text(self, text: str) -> None:
        if self._person is not None:
            self._person.append(text)

    def entity(self, *_: Any) -> None:
        self.fail("declares entities, which feeds must not do")


def _root(document: bytes, source: str, *, skipped_lines: int) -> bytes:
    """Return the root element of a document that passes all checks."""
    check = _Check(source, skipped_lines)
    try:
        check.parser.Parse(document, True)  # noqa: FBT003 - the parser takes no keywords
    except expat.ExpatError as error:
        problem = f"is not well-formed XML: {expat.ErrorString(error.code)}"
        raise InvalidFile(source, problem, line=skipped_lines + error.lineno) from error
    return document[check.root_at :]
