"""Libraries with random damage: read and stored, or refused with our errors and nothing stored."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.app.libraries import import_library
from service.domain.errors import InvalidFile
from service.ingest.libraries.library import read_library
from service.storage import SqlStore
from tests.service.ingest.libraries.strategies import mutated
from tests.service.ingest.samples import BIBTEX, NOW, RIS, ZOTERO

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


class _Clock:
    def now(self) -> dt.datetime:
        return NOW


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files(name: str, data: st.DataObject, store: SqlStore) -> None:
    """A damaged file is refused with our error, or all of its papers are stored and liked."""
    with store.read() as tx:
        before = tx.papers.count()
    try:
        library = read_library(data.draw(mutated(SAMPLES[name])))
    except InvalidFile as error:
        error.message.encode()  # can be printed
        return
    for problem in (*library.skipped, *library.repaired):
        str(problem).encode()

    done = import_library(store, _Clock(), "ada", [(entry.paper, entry.added_at) for entry in library.papers])
    with store.read() as tx:
        assert tx.papers.count() == before + done.added_count
    assert done.added_count + done.matched_count == len(library.papers)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_cut(name: str) -> None:
    """A file that ends anywhere is read or refused with our error."""
    for end in range(len(SAMPLES[name])):
        try:
            read_library(SAMPLES[name][:end])
        except InvalidFile as error:
            error.message.encode()
