"""Libraries with random damage: read and stored, or refused with our errors and nothing stored."""

import datetime as dt
import random

import pytest

from service.app.libraries import import_library
from service.domain.errors import InvalidFile
from service.ingest.libraries.library import read_library
from service.storage import SqlStore
from tests.service.ingest.samples import BIBTEX, NOW, RIS, ZOTERO

COUNT = 2_000
SAMPLES = {
    "bibtex": BIBTEX
    + rb"""@string{ida = "Noll, " # {Ida}}
@inbook{c, title = "A {"}chapter{"} of $\alpha_1$", crossref = {vaswani2017attention}, eprint = {1706.03762}}
@misc{f, xdata = {muller2017}, author = ida # " and {Orr}, B.; Poe, C.", month = jan # "~5"}
@comment{jabref-meta: databaseType:biblatex;}
""",
    "ris": RIS,
    "zotero": ZOTERO,
    "zotero with semicolons": ZOTERO.replace(b'","', b'";"'),
}


# Pieces that mean something in one of the formats.
PIECES = [bytes([character]) for character in b"\n\r\"',{}()[]<>&\\$%@=#;- "] + [
    b"\n\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"&#0;", b"TY  - ", b"ER  - ", b"UR  - ;;", b" and ",
    b"@string{a = a # a}", b"@a{b, c", b"\n@misc{", b"@comment{", b"crossref = {k}", b"xdata = {k}", b"\\begin{a}",
    b"\\'", b"$x^2$", b"title = ", b'"Key","Item Type",', b'\n"AAAA0001","book",', b"10.1000/x", b"arXiv:1706.03762",
]  # fmt: skip


def mutated(sample: bytes, chance: random.Random) -> bytes:
    """Return the sample with one to eight parts replaced, removed, repeated or inserted, and sometimes cut."""
    data = sample
    for _ in range(chance.randint(1, 8)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice([0, 0, 1, 3, 30]))
        piece = chance.choice([chance.choice(PIECES), chance.randbytes(chance.randint(0, 3)), sample[end : end + 40]])
        data = data[:start] + piece + data[end:]
    return data[: chance.randint(0, len(data))] if chance.random() < 0.2 else data


class _Clock:
    def now(self) -> dt.datetime:
        return NOW


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files(name: str, store: SqlStore) -> None:
    """Each damaged file is refused with our error, or read; of those read, all papers of every tenth are stored."""
    chance = random.Random(f"fuzz {name}")
    stored = refused = 0
    for number in range(COUNT):
        try:
            library = read_library(mutated(SAMPLES[name], chance))
        except InvalidFile as error:
            error.message.encode()  # can be printed
            refused += 1
            continue
        for problem in (*library.skipped, *library.repaired):
            str(problem).encode()
        if number % 10:
            continue

        with store.read() as tx:
            before = tx.papers.count()
        done = import_library(store, _Clock(), "ada", [(entry.paper, entry.added_at) for entry in library.papers])
        with store.read() as tx:
            assert tx.papers.count() == before + done.added_count
        assert done.added_count + done.matched_count == len(library.papers)
        stored += 1
    assert stored > COUNT / 50
    assert refused > 0


@pytest.mark.parametrize("name", SAMPLES)
def test_every_cut(name: str) -> None:
    """A file that ends anywhere is read or refused with our error."""
    for end in range(len(SAMPLES[name])):
        try:
            read_library(SAMPLES[name][:end])
        except InvalidFile as error:
            error.message.encode()
