"""Bounded reading of input files, gzip or plain, as lines, as text or as bytes.

A file may have any size and content. ``InvalidFile`` names the file and, if possible, the line. Memory holds at most
one line (``iter_lines``) or one document (``read_bytes``).
"""

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from service.domain.errors import InvalidFile

MAX_LINE_BYTES = 10_000_000
MAX_DOCUMENT_BYTES = 100_000_000
# Texts of papers and events compress 3 to 15 times. A much denser file is an attack or a mistake.
MAX_COMPRESSION_RATIO = 200

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_WINDOWS_1252 = "paperfeed-windows-1252"
# JabRef writes such a line, with Java's names of encodings.
_DECLARED_ENCODING = re.compile(
    rb"(?:[^\n]*\n){0,5}?[%\s]*Encoding:\s*((?:cp|windows-?)125\d|iso[-_]?8859[-_]\d{1,2}|latin-?1|mac_?roman|gbk|gb2312|"
    rb"gb18030|big5|euc[-_][a-z]{2}|shift_jis|koi8-[ru])\s",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Content:
    """Input that is already in memory.

    Attributes:
        name: Name in errors, e.g. the address that it was fetched from.
        is_unpacked: Whether ``read_bytes`` has decompressed the file of this name.
    """

    name: str
    data: bytes
    is_unpacked: bool = False


Source: TypeAlias = str | Path | bytes | Content
"""A path, or the bytes themselves (plain or gzip)."""


def source_name(source: Source) -> str:
    """Return the name of the source in errors."""
    if isinstance(source, Content):
        return source.name
    if isinstance(source, bytes):
        return "input"
    # File names need not be UTF-8, but messages must be.
    return str(source).encode("utf-8", "replace").decode()


def iter_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Return the one-based number and the text of each line, without line endings and byte order mark.

    Raises:
        InvalidFile: While iterating: unreadable, empty, cut short, not UTF-8, with a NUL, or with a line over
            ``MAX_LINE_BYTES``.
    """
    name = source_name(source)
    number, total, blank = 0, 0, True
    with _open(source) as (stream, raw):
        while True:
            with _reading(name, line=number + 1):
                line = stream.readline(MAX_LINE_BYTES + 1)
            if not line:
                break
            number, total = number + 1, total + len(line)
            if len(line) > MAX_LINE_BYTES:
                raise InvalidFile(name, f"the line is longer than {MAX_LINE_BYTES:,} bytes", line=number)
            if total > max(MAX_DOCUMENT_BYTES, MAX_COMPRESSION_RATIO * raw.tell()):
                raise InvalidFile(name, f"is compressed more than {MAX_COMPRESSION_RATIO} times", line=number)
            text = decode_utf8(line, name, first_line=number)
            blank = blank and not text.strip()
            yield number, text.rstrip("\r\n")
    if blank:
        raise InvalidFile(name, "is empty")


def read_bytes(source: Source, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return the whole document, decompressed.

    Raises:
        InvalidFile: Unreadable, empty, cut short, or larger than ``max_bytes`` once decompressed.
    """
    name = source_name(source)
    with _open(source) as (stream, _raw), _reading(name, line=None):
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InvalidFile(name, f"is larger than {max_bytes:,} bytes")
    if not data.removeprefix(_UTF8_BOM).strip():
        raise InvalidFile(name, "is empty")
    return data


def read_text(source: Source) -> str:
    """Return the whole document as text, with line feeds as line endings and without a byte order mark.

    Raises:
        InvalidFile: As ``read_bytes``; also not UTF-8, or with a NUL.
    """
    text = decode_utf8(read_bytes(source), source_name(source))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_any_text(source: Source) -> tuple[str, str]:
    """Return the whole document as ``read_text`` does, in any encoding, and a hint if it is not plain UTF-8.

    UTF-16 is recognised by its byte order mark, other encodings by a line such as ``% Encoding: Cp1252`` at the start.
    Otherwise, each byte that is not UTF-8 is read as Windows-1252: files that were joined from others may have both.

    Raises:
        InvalidFile: As ``read_bytes``; also broken UTF-16, or with a NUL.
    """
    name, data = source_name(source), read_bytes(source)
    try:
        if data.startswith(_UTF16_BOMS):
            text, hint = data.decode("utf-16"), ""
        else:
            text, hint = _decoded(data)
    except UnicodeDecodeError as error:
        raise InvalidFile(name, "is broken UTF-16 text; save it as UTF-8") from error
    if (position := text.find("\x00")) >= 0:
        raise InvalidFile(name, "contains a NUL; is this a text file?", line=1 + text.count("\n", 0, position))
    return text.replace("\r\n", "\n").replace("\r", "\n"), hint


def _decoded(data: bytes) -> tuple[str, str]:
    """Return the text and, if it is not UTF-8, a hint how it was read."""
    data = data.removeprefix(_UTF8_BOM)
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        line, _ = _place(data, error.start, first_line=1)
    declared = _DECLARED_ENCODING.match(data[:1000])
    if declared:
        encoding = declared[1].decode()
        try:
            return data.decode(encoding), f"line {line} is not UTF-8; the file was read as {encoding}, which it names"
        except (UnicodeDecodeError, LookupError):
            pass
    hint = f"line {line} is not UTF-8 and was read as Windows-1252; if letters look wrong, save the file as UTF-8"
    return data.decode("utf-8", errors=_WINDOWS_1252), hint


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Return bytes that are not UTF-8 as Windows-1252, and where the decoder continues."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error(_WINDOWS_1252, _as_windows_1252)


def decode_utf8(data: bytes, name: str, *, first_line: int = 1) -> str:
    """Return the decoded data. Errors count lines from ``first_line``, and bytes from 1 within the line.

    Raises:
        InvalidFile: Not UTF-8, or with a NUL byte.
    """
    if first_line == 1 and data.startswith(_UTF16_BOMS):
        raise InvalidFile(name, "is UTF-16 text; save it as UTF-8", line=1)
    if first_line == 1:
        data = data.removeprefix(_UTF8_BOM)
    if (position := data.find(b"\x00")) >= 0:
        line, column = _place(data, position, first_line)
        raise InvalidFile(name, f"byte {column} of the line is NUL; is this a text file?", line=line)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(data, error.start, first_line)
        problem = f"byte {column} of the line (0x{data[error.start]:02x}) is not UTF-8"
        raise InvalidFile(name, problem, line=line) from error


def _place(data: bytes, position: int, first_line: int) -> tuple[int, int]:
    line = first_line + data.count(b"\n", 0, position)
    return line, position - data.rfind(b"\n", 0, position)


@contextmanager
def _open(source: Source) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open the decompressed stream, and the raw stream below it (the same stream for plain input)."""
    name = source_name(source)
    with _reading(name, line=None):
        data = source.data if isinstance(source, Content) else source
        raw = io.BufferedReader(io.BytesIO(data) if isinstance(data, bytes) else io.FileIO(Path(data)))
    with raw:
        with _reading(name, line=None):
            head = raw.peek(2)[:2]
        if head == _GZIP_MAGIC:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield io.BufferedReader(unpacked), raw
            return
        if head and name.endswith(".gz") and not (isinstance(source, Content) and source.is_unpacked):
            raise InvalidFile(name, "is named .gz, but its content is not gzip")
        yield raw, raw


@contextmanager
def _reading(name: str, *, line: int | None) -> Iterator[None]:
    """Translate errors of opening and reading into InvalidFile."""
    try:
        yield
    except EOFError as error:
        raise InvalidFile(name, "the compressed data is cut short", line=line) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InvalidFile(name, "the compressed data is damaged", line=line) from error
    except FileNotFoundError as error:
        raise InvalidFile(name, "there is no such file") from error
    except IsADirectoryError as error:
        raise InvalidFile(name, "is a directory, not a file") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise InvalidFile(name, f"cannot be read: {reason}", line=line) from error
    except ValueError as error:  # a NUL in the path
        raise InvalidFile(name.replace("\x00", "?"), "is not a valid path") from error
