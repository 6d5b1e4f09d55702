import datetime as dt
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from service.domain.errors import InvalidField, InvalidFile
from service.ingest.digests.digest import read_digest
from tests.service.ingest.samples import ABSTRACT, ATOM, DAY, HF_DAILY, JSON_FEED, JSONL, MARKDOWN, NOW, PAGE, RSS


@pytest.mark.parametrize(
    ("data", "source", "title", "count"),
    [
        (PAGE, "hf-trending", "Trending papers", 2),
        (HF_DAILY, "hf-daily", "Daily papers", 2),
        (ATOM, "arxiv/ArXiv-Query-cat-cs.IR", "ArXiv Query: cat:cs.IR", 1),
        (RSS, "arxiv/cs.IR-updates-on-arXiv.org", "cs.IR updates on arXiv.org", 1),
        (JSONL, "papers/FILE", "", 2),
        (JSON_FEED, "feed/blog.example", "A blog", 1),
        (MARKDOWN, "list/FILE", "", 2),
    ],
)
def test_format_is_told_by_the_content(data: bytes, source: str, title: str, count: int, tmp_path: Path) -> None:
    """Every format is detected by its beginning, compressed or not, with or without byte order mark."""
    packed = tmp_path / "mine.jsonl.gz"
    packed.write_bytes(gzip.compress(data))
    files: list[tuple[bytes | Path, str]] = [
        (data, "input"),
        (gzip.compress(data), "input"),
        (b"\xef\xbb\xbf" + data, "input"),
        (packed, "mine"),
    ]
    for written, name in files:
        digest = read_digest(written, date=DAY, now=NOW)
        found = (digest.date, digest.source, digest.title, len(digest.papers))
        assert found == (DAY, source.replace("FILE", name), title, count)


@pytest.mark.parametrize("data", [HF_DAILY, ATOM, RSS])
def test_own_date_is_taken_if_none_is_given(data: bytes) -> None:
    """Feeds and the daily list have their own date; a given date replaces it."""
    assert read_digest(data, date=None, now=NOW).date == DAY
    assert read_digest(data, date=dt.date(2024, 3, 1), now=NOW).date == dt.date(2024, 3, 1)


@pytest.mark.parametrize("data", [PAGE, JSONL, RSS.replace(b"pubDate", b"otherDate")])
def test_date_is_required_where_the_file_has_none(data: bytes) -> None:
    """Without a date the error asks for one."""
    with pytest.raises(InvalidField, match="date: is required"):
        read_digest(data, date=None, now=NOW)


@pytest.mark.parametrize("date", [dt.date(2024, 3, 13), dt.date(1989, 1, 1)])
def test_date_out_of_range_is_refused(date: dt.date) -> None:
    """A date out of range is an error, whether it is given or the file's own."""
    with pytest.raises(InvalidField, match=r"^date: "):
        read_digest(ATOM, date=date, now=NOW)
    with pytest.raises(InvalidFile, match="its own date 2024-03-11 lies in the future; give the date"):
        read_digest(ATOM, date=None, now=NOW - dt.timedelta(days=9))


@pytest.mark.parametrize("data", [b"[]", b"Mar 11\n", b'<rss version="2.0"><channel><title>T</title></channel></rss>'])
def test_digest_without_papers_is_refused(data: bytes) -> None:
    """A file without papers is an error."""
    with pytest.raises(InvalidFile, match="has no paper"):
        read_digest(data, date=DAY, now=NOW)


def test_feed_without_usable_entries_says_why() -> None:
    """If every entry was left out, the error tells about the first one, or that they are all replacements."""
    untitled = RSS.replace(b"<title>Learning to Rank</title>", b"")
    with pytest.raises(InvalidFile, match="has no paper: line 5, entry 1: has no title"):
        read_digest(untitled, date=DAY, now=NOW)
    with pytest.raises(InvalidFile, match="has no paper: it announces 2 new versions of older papers"):
        read_digest(RSS.replace(b">new<", b">replace<"), date=DAY, now=NOW)


TABLE = """
## Papers for 2026-03-11

| Title | Authors | Summary |
|-------|---------|---------|
| Planning with small ovens ([arXiv](https://arxiv.org/abs/2603.00001)) | Ida Noll | Ovens are shown to plan ahead. |
"""
PROSE = f"It was a dark and stormy night on the northern wall.\n\n{ABSTRACT}\n\nThe moss slept.\n\n{ABSTRACT}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TABLE, "is a Markdown table, which cannot be read"),
        (PROSE, "'It was a dark and .* is a sentence or Markdown"),
        (f"# Moss\n\n{ABSTRACT}", "is a sentence or Markdown"),
        ("# Moss\n\nSee [the wiki](https://wiki.example).\n\n- [Contact](mailto:a@b.example)\n- [x](https://a.example)",
         "a title was expected|has no list of papers"),
        ("word", "no abstract follows"),
    ],
)  # fmt: skip
def test_other_texts_are_refused_with_a_word_about_the_formats(text: str, problem: str) -> None:
    """Tables and prose are no trending page; the error names the formats."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        read_digest(text.encode(), date=DAY, now=NOW)
    assert "Markdown" in caught.value.problem


def test_format_can_be_named() -> None:
    """A given format is not detected again."""
    with pytest.raises(InvalidFile, match="is not JSON"):
        read_digest(PAGE, date=DAY, now=NOW, format="hf-daily")


def test_importing_is_cheap() -> None:
    """Importing the package loads no third-party parser."""
    code = (
        "import sys, service.ingest.digests.digest, service.ingest.libraries.library, service.ingest.events_csv\n"
        "print(sorted({'markdown_it', 'pylatexenc', 'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
