"""One bad entry among good ones: the good ones always arrive."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.errors import InvalidFile
from service.ingest.libraries.library import read_library
from tests.service.ingest.libraries.strategies import BAD_BIBTEX, Mixed, mixed_bibtex, mixed_ris, mixed_zotero


def _check(mixed: Mixed) -> None:
    library = read_library(mixed.text.encode())
    assert set(mixed.titles) <= {entry.paper.title for entry in library.papers}
    others = [entry for entry in library.papers if entry.paper.title not in mixed.titles]
    assert len(others) + len(library.skipped) <= 1
    assert all(problem.line == mixed.bad_line for problem in library.skipped)


FORMATS = pytest.mark.parametrize("libraries", [mixed_bibtex(), mixed_ris(), mixed_zotero()], ids=["bib", "ris", "csv"])


@FORMATS
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_good_entries_arrive(libraries: st.SearchStrategy[Mixed], data: st.DataObject) -> None:
    """Good entries arrive in every form that their format allows, and the bad one is named with its line."""
    _check(data.draw(libraries))


@pytest.mark.slow
@FORMATS
@settings(max_examples=1000, deadline=None)
@given(data=st.data())
def test_good_entries_arrive_in_many_libraries(libraries: st.SearchStrategy[Mixed], data: st.DataObject) -> None:
    """The same for many more libraries."""
    _check(data.draw(libraries))


@pytest.mark.parametrize("bad", BAD_BIBTEX)
def test_bad_end_of_a_bibtex_file(bad: str) -> None:
    """A bad block at the end of a file loses no good entry, unless the file ends inside it."""
    text = "@misc{a, title = {The only good entry}}\n" + bad.format(n=1) + "\n"
    try:
        library = read_library(text.encode())
    except InvalidFile as error:
        outcome = (error.problem[:21], error.line)
    else:
        outcome = None
        assert library.papers[0].paper.title == "The only good entry"
    assert outcome in (None, ("the file ends inside ", 2))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_cut_off_bibtex(data: st.DataObject) -> None:
    """A file that ends inside an entry is refused whole."""
    entry = '@article{k,\n  title = {The {DNA} of walls},\n  author = "Noll, Ida",\n  year = 2030,\n  note = {a b}\n}\n'
    start = data.draw(st.sampled_from([0, len(entry)]))
    cut = data.draw(st.integers(len("@article{k"), len(entry) - 3))
    with pytest.raises(InvalidFile, match="the file ends inside the BibTeX entry"):
        read_library((entry * 2)[: start + cut].encode())


@pytest.mark.parametrize(
    "data",
    [
        b"TY  - JOUR\nTI  - One of two\nER  - \nTY  - JOUR\nTI  - Cut o",
        b'"Key","Item Type","Title","Url"\n"AAAA0001","book","One of two",""\n"AAAA0002","book","Cut o',
        b'"Key","Item Type","Title","Url"\n"AAAA0001","book","One of two",""\n"AAAA0002","book","Cut off"',
        b"Key,Item Type,Title,Url\nAAAA0001,book,One of two,\nAAAA0002,book,Cut o",
    ],
)
def test_cut_off_files_of_other_formats(data: bytes) -> None:
    """A file that ends in the middle of a record is refused whole."""
    with pytest.raises(InvalidFile, match="the file ends inside the"):
        read_library(data)
