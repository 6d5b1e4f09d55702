"""For any bytes, every parser returns values or raises InvalidFile or InvalidField."""

import gzip
import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.errors import InvalidField, InvalidFile
from service.ingest.digests.digest import read_digest
from service.ingest.events_csv import iter_events
from service.ingest.jsonl import iter_papers
from service.ingest.libraries.library import read_library
from tests.service.ingest.samples import (
    ATOM,
    BIBTEX,
    DAY,
    EVENTS,
    HF_DAILY,
    JSON_FEED,
    JSONL,
    MARKDOWN,
    NOW,
    PAGE,
    RIS,
    RSS,
    ZOTERO,
)

READERS: dict[str, Callable[[bytes], object]] = {
    "digest": lambda data: read_digest(data, date=DAY, now=NOW),
    "undated digest": lambda data: read_digest(data, date=None, now=NOW),
    "papers": lambda data: list(iter_papers(data)),
    "events": lambda data: list(iter_events(data, now=NOW)),
    "library": read_library,
}
SAMPLES = {
    "page": ("digest", PAGE),
    "hf-daily": ("undated digest", HF_DAILY),
    "atom": ("undated digest", ATOM),
    "rss": ("digest", RSS),
    "json feed": ("digest", JSON_FEED),
    "markdown": ("digest", MARKDOWN),
    "jsonl digest": ("digest", JSONL),
    "jsonl": ("papers", JSONL),
    "events": ("events", EVENTS),
    "bibtex": ("library", BIBTEX),
    "ris": ("library", RIS),
    "zotero": ("library", ZOTERO),
}
# Pieces that mean something in one of the formats.
TOKENS = [bytes([character]) for character in b"\n\r\"',{}[]<>&\\$%@="] + [
          b"\n\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\\ud800", b"null", b"NaN", b"-1", b"1e999",
          b"9" * 30,
          b"9999-12-31T23:59:59-23:59", b"0001-01-01", b"TY  - ", b"ER  - ", b"UR  - ;;", b"@string{a = a}", b"@a{b, c",
          b"</entry>", b"<entry>", b"<item>", b"<![CDATA[", b"<!--", b"&#0;", b"&#x110000;", b"\\begin{a}",
          b"\\'", b" and "]  # fmt: skip


def survives(reader: str, data: bytes) -> None:
    try:
        READERS[reader](data)
    except (InvalidFile, InvalidField) as error:
        error.message.encode()  # can be printed


@st.composite
def mutations(draw: st.DrawFn, sample: bytes) -> bytes:
    """Return the sample with up to five parts replaced, removed, repeated or inserted, and perhaps cut."""
    data = sample
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 3, 30])))
        piece = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=3), st.just(sample[end : end + 40])))
        data = data[:start] + piece + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data


@pytest.mark.parametrize("name", SAMPLES)
def test_valid_samples_are_read(name: str) -> None:
    """The unchanged samples are read without error."""
    reader, sample = SAMPLES[name]
    assert READERS[reader](sample)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_files_raise_our_errors_only(name: str, data: st.DataObject) -> None:
    """A file with wrong, missing or misplaced parts raises our errors only."""
    reader, sample = SAMPLES[name]
    survives(reader, data.draw(mutations(sample)))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_cut_raises_our_errors_only(name: str) -> None:
    """A file that ends too early, compressed or not, raises our errors only."""
    reader, sample = SAMPLES[name]
    packed = gzip.compress(sample)
    for share in range(40):
        survives(reader, sample[: len(sample) * share // 40])
        survives(reader, packed[: len(packed) * share // 40])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["paper", "paper_id", "id", "title", "summary", "authors", "name", "publishedAt", "upvotes", "url"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES)
def test_any_json_raises_our_errors_only(value: object) -> None:
    """Any JSON value raises our errors only."""
    survives("undated digest", json.dumps([value]).encode())
    survives("papers", json.dumps(value).encode())


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_raise_our_errors_only(reader: str, data: bytes) -> None:
    """Random bytes raise an error that can be printed."""
    survives(reader, data)
    survives(reader, gzip.compress(data))
