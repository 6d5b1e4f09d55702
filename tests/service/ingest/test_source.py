import gzip
import random
from pathlib import Path

import pytest

from service.domain.errors import InvalidFile
from service.ingest import source as source_module
from service.ingest.source import Content, iter_lines, read_bytes, read_text


@pytest.mark.parametrize("named", ["plain.txt", "packed.gz", "packed.txt"])
def test_plain_and_gzip_read_the_same(tmp_path: Path, named: str) -> None:
    """Gzip is recognised by its first bytes, not by the file's name."""
    data = "a\r\nbé\n\nlast".encode()
    path = tmp_path / named
    path.write_bytes(gzip.compress(data) if "packed" in named else data)

    assert list(iter_lines(path)) == [(1, "a"), (2, "bé"), (3, ""), (4, "last")]
    assert read_text(str(path)) == "a\nbé\n\nlast"


def test_byte_order_mark_is_dropped() -> None:
    """A byte order mark is ignored."""
    assert list(iter_lines(b"\xef\xbb\xbfa\n")) == [(1, "a")]
    assert read_text(b"\xef\xbb\xbfa\rb") == "a\nb"


@pytest.mark.parametrize(
    "data",
    [b"", b"\n \r\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)],
    ids=["nothing", "blank lines", "byte order mark", "empty gzip"],
)
def test_empty_file_is_refused(data: bytes) -> None:
    """A file without text is an error."""
    for read in (read_text, lambda content: list(iter_lines(content))):
        with pytest.raises(InvalidFile, match=r"^f\.txt: is empty$"):
            read(Content("f.txt", data))


def test_cut_short_gzip_names_the_line() -> None:
    """Lines before the cut are returned, then the error names the line where the data ends."""
    noise = random.Random(0)
    text = "".join(f"{number} {noise.random()}\n" for number in range(20_000)).encode()
    cut = gzip.compress(text)[:-1000]
    lines = iter_lines(Content("f.gz", cut))

    assert next(lines)[0] == 1
    with pytest.raises(InvalidFile, match="cut short") as caught:
        list(lines)
    assert (caught.value.line or 0) > 1
    with pytest.raises(InvalidFile, match="cut short"):
        read_bytes(cut)


def test_damaged_gzip_is_refused() -> None:
    """A wrong checksum and invalid compressed data are errors."""
    packed = bytearray(gzip.compress(b"some text\n" * 10))
    packed[-6] ^= 0xFF
    with pytest.raises(InvalidFile, match="damaged"):
        read_text(bytes(packed))
    with pytest.raises(InvalidFile, match="damaged"):
        read_text(bytes(packed[:10]) + b"\xff" * 30)


def test_gz_name_without_gzip_content_is_refused() -> None:
    """A file that is named .gz but is not gzip is an error."""
    with pytest.raises(InvalidFile, match="not gzip"):
        read_text(Content("f.gz", b"text"))


def test_document_limit_holds_after_unpacking() -> None:
    """A small file that decompresses to more than the limit is refused without being loaded."""
    with pytest.raises(InvalidFile, match="is larger than 1,000 bytes"):
        read_bytes(gzip.compress(b"a" * 100_000), max_bytes=1000)


def test_lines_of_a_decompression_bomb_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless empty lines in a small compressed file are refused early."""
    monkeypatch.setattr(source_module, "MAX_DOCUMENT_BYTES", 100_000)
    with pytest.raises(InvalidFile, match="compressed more than 200 times"):
        for _ in iter_lines(gzip.compress(b"\n" * 1_000_000)):
            pass


def test_huge_line_is_refused_without_reading_it(tmp_path: Path) -> None:
    """A line of 200 MB is refused, and only read up to the limit."""
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b"ok\n")
        file.truncate(200_000_000)

    lines = iter_lines(path)
    assert next(lines) == (1, "ok")
    with pytest.raises(InvalidFile, match="longer than 10,000,000 bytes") as caught:
        next(lines)
    assert caught.value.line == 2


def test_broken_utf8_names_line_and_byte() -> None:
    """The error names the line and the position of the first invalid byte."""
    for read in (read_text, lambda data: list(iter_lines(data))):
        with pytest.raises(InvalidFile, match=r"byte 3 of the line \(0xff\) is not UTF-8") as caught:
            read(b"good\nab\xffc\n")
        assert caught.value.line == 2


def test_nul_bytes_and_utf16_are_refused() -> None:
    """Binary files and UTF-16 have their own messages."""
    with pytest.raises(InvalidFile, match="byte 2 of the line is NUL") as caught:
        read_text(b"good\na\x00")
    assert caught.value.line == 2
    with pytest.raises(InvalidFile, match="UTF-16"):
        list(iter_lines("text".encode("utf-16")))


def test_unreadable_paths_are_named(tmp_path: Path) -> None:
    """A missing file, a directory and an invalid path are errors that name the file."""
    with pytest.raises(InvalidFile, match=r"none\.txt: there is no such file"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(InvalidFile, match="is a directory"):
        read_text(tmp_path)
    with pytest.raises(InvalidFile, match="not a valid path"):
        read_text("a\x00b")
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_text(tmp_path / ("x" * 5000))
