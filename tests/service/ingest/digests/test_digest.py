import datetime as dt
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from service.domain.errors import InvalidField, InvalidFile
from service.ingest.digests.digest import read_digest
from tests.service.ingest.samples import ATOM, DAY, HF_DAILY, JSONL, NOW, PAGE, RSS


@pytest.mark.parametrize(
    ("data", "source_name", "title", "count"),
    [
        (PAGE, "hf-trending", "Trending papers", 2),
        (HF_DAILY, "hf-daily", "Daily papers", 2),
        (ATOM, "arxiv", "ArXiv Query: cat:cs.IR", 1),
        (RSS, "arxiv", "cs.IR updates on arXiv.org", 2),
        (JSONL, "papers", "", 2),
    ],
)
def test_format_is_told_by_the_content(data: bytes, source_name: str, title: str, count: int, tmp_path: Path) -> None:
    """Every format is detected by its first character, compressed or not, with or without byte order mark."""
    packed = tmp_path / "digest.gz"
    packed.write_bytes(gzip.compress(data))
    for written in (data, gzip.compress(data), b"\xef\xbb\xbf" + data, packed):
        digest = read_digest(written, date=DAY, now=NOW)
        assert (digest.date, digest.source_name, digest.title, len(digest.papers)) == (DAY, source_name, title, count)


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


def test_format_can_be_named() -> None:
    """A given format is not detected again."""
    with pytest.raises(InvalidFile, match="is not JSON"):
        read_digest(PAGE, date=DAY, now=NOW, format="hf-daily")


def test_importing_is_cheap() -> None:
    """Importing the package loads no third-party parser."""
    code = (
        "import sys, service.ingest.digests.digest, service.ingest.libraries.library, service.ingest.events_csv\n"
        "print(sorted({'feedparser', 'pylatexenc', 'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
