"""Thousands of damaged files of each format: an import stores a whole digest or nothing, and never hangs."""

import datetime as dt
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.app.catalog import Catalog
from service.domain.errors import InvalidField, InvalidFile
from service.domain.papers import Digest
from service.ingest.digests.digest import read_digest
from service.storage import SqlStore, open_store, schema
from tests.service.ingest.samples import ATOM, DAY, HF_DAILY, JSON_FEED, JSONL, MARKDOWN, NOW, PAGE, RSS

COUNT = 2_000
SAMPLES = {
    "atom": ATOM,
    "rss": RSS,
    "json feed": JSON_FEED,
    "hf-daily": HF_DAILY,
    "jsonl": JSONL,
    "markdown": MARKDOWN,
    "page": PAGE,
}
PIECES = [
    b"<item>", b"</item>", b"<title>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&nbsp;", b"&", b"&#0;", b"&#xd800;",
    b"<math><mfrac>", b"<p", b"\x00", b"\xff", b"\xed\xa0\x80", b"\x0b", b"\n\n", b"- [", b"](https://arxiv.org/abs/",
    b"**", b"> ", b"|---|---|\n", b"# ", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u0000", b"null", b"1e999",
    b"xmlns:a='", b"<!DOCTYPE html>", b"<?xml version='1.0' encoding='utf-7'?>", b"replace", b"\\'", b"({[", b"9" * 50,
]  # fmt: skip


def mutated(sample: bytes, chance: random.Random) -> bytes:
    """Return the sample with one to six parts replaced, removed, repeated or inserted, and sometimes cut."""
    data = sample
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice([0, 0, 1, 3, 30, 300]))
        piece = chance.choice([chance.choice(PIECES), chance.randbytes(2), data[end : end + 200], b""])
        data = data[:start] + piece + data[end:]
    return data[: chance.randint(0, len(data))] if chance.random() < 0.1 else data


class Now:
    """A clock that stands still."""

    def now(self) -> dt.datetime:
        return NOW


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty database."""
    url = f"sqlite:///{tmp_path / 'fuzz.db'}"
    schema.upgrade(url)
    opened = open_store(url)
    yield opened
    opened.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLES)
def test_damaged_files_store_a_whole_digest_or_nothing(kind: str, store: SqlStore) -> None:
    """Each damaged file raises one of our errors, or all papers that were read are in the digest."""
    chance, catalog = random.Random(f"fuzz {kind}"), Catalog(store, Now())
    stored = 0
    for number in range(COUNT):
        data = mutated(SAMPLES[kind], chance)
        began = time.perf_counter()
        try:
            read = read_digest(data, date=DAY, now=NOW)
        except (InvalidFile, InvalidField) as error:
            error.message.encode()  # can be printed
            continue
        finally:
            assert time.perf_counter() - began < 10
        if number % 10 == 0:
            done = catalog.import_digest(Digest(f"d{number}", read.date, read.title, read.source), read.papers)
            assert len(done.digest.paper_ids) <= len(read.papers)
            assert sum(done.paper_outcomes.values()) == len(read.papers)
            stored += 1
    assert stored > 0
