import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.library import Library, read_library
from service.ingest.source import Content
from tests.service.ingest.samples import BIBTEX, RIS, ZOTERO


def titles(library: Library) -> list[str]:
    return [entry.paper.title for entry in library.papers]


@pytest.mark.parametrize(
    ("data", "first_id"), [(BIBTEX, "doi:10.1000/abc_def"), (RIS, "doi:10.1000/xyz"), (ZOTERO, "doi:10.1000/xyz")]
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_format_is_told_by_the_content(data: bytes, first_id: str, encoding: str, line_end: str) -> None:
    """The three formats are detected by content, in every Unicode encoding and with every line ending."""
    text = data.decode().replace("\n", line_end)
    library = read_library(Content("library", text.encode(encoding)))
    assert [entry.paper.paper_id for entry in library.papers] == [first_id, "arxiv:1706.03762"]
    assert not library.skipped
    assert not library.repaired


def test_doubles_count_once() -> None:
    """Entries with the same title or id are one entry with the earliest time."""
    library = read_library(
        b"@misc{a, title={One Paper of Ours}, timestamp={2020-01-02}}"
        b"@misc{b, title={One paper of ours}, doi={10.1000/x}, timestamp={2020-01-01}}"
        b"@misc{c, title={Renamed}, doi={10.1000/X}}"
    )
    [entry] = library.papers
    assert (entry.paper.title, library.read_count) == ("One Paper of Ours", 3)
    assert entry.added_at == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"@comment{nothing}", "has no entry"),
        (ZOTERO.split(b"\n")[0], "has no entry"),
        (b"Dear library", "is neither BibTeX nor RIS"),
        (b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "is a web page without a library"),
        (b"", "is empty"),
        (b"@misc{a, title = {A \x00}}", "contains a NUL"),
    ],
)
def test_files_without_a_library_are_refused(data: bytes, problem: str) -> None:
    """A file that has no entry at all is an error that says why."""
    with pytest.raises(InvalidFile, match=problem):
        read_library(data)


@pytest.mark.parametrize("data", [b"@misc{k, author={A}}", b"TY  - JOUR\nID  - k\nER  - \n"])
def test_untitled_entries_are_named(data: bytes) -> None:
    """An entry without a title is left out and named, and refuses the file if the import is strict."""
    [problem] = read_library(data).skipped
    assert (problem.line, problem.key, problem.reason) == (1, "k", "has no title")

    with pytest.raises(InvalidFile, match="line 1: k: has no title"):
        read_library(data, strict=True)


def test_strict_refuses_repairs() -> None:
    """A strict import refuses a file that could only be read by guessing, and names the first place."""
    data = b"@misc{a, title = {Fine}}\n@misc{b, title = {No comma}\n year = 2030}"
    with pytest.raises(InvalidFile, match=r"line 2: b: a comma is missing before year \(line 3\)"):
        read_library(data, strict=True)


@pytest.mark.parametrize(
    ("encoding", "declared", "hint"),
    [
        ("cp1252", "", "line 2 is not UTF-8 and was read as Windows-1252"),
        ("latin-1", "", "line 2 is not UTF-8 and was read as Windows-1252"),
        ("iso8859_2", "% Encoding: ISO8859_2", "the file was read as ISO8859_2, which it names"),
        ("gbk", "% This file was created with JabRef 2.3.\n% Encoding: GBK", "the file was read as GBK"),
    ],
)
def test_other_encodings(encoding: str, declared: str, hint: str) -> None:
    """Files that are not UTF-8 are read as what they name, else as Windows-1252, and the result says so."""
    title = {"iso8859_2": "Zegary mchu w żółtej ścianie", "gbk": "墙上的苔藓钟"}.get(
        encoding, "Horloges des forêts du nord"
    )
    text = f"{declared}\n@article{{a, title = {{{title}}}, author = {{Orr, Ben}}}}\n"
    library = read_library(text.encode(encoding))
    assert titles(library) == [title]
    assert hint in library.repaired[0].reason
    assert not read_library(text.encode()).repaired


def test_file_with_two_encodings() -> None:
    """A file that was joined from files of two encodings keeps the letters of both."""
    first, second = "@misc{a, title = {Fôret}}\n", "@misc{b, title = {Lefèvre}}\n"
    assert titles(read_library(first.encode() + second.encode("cp1252"))) == ["Fôret", "Lefèvre"]


SAME = [
    (
        r"Ice of H$_2$O and CO$_2$ at 10$^{\circ}$C",
        "Ice of H2O and CO2 at 10°C",
        "Ice of H<sub>2</sub>O and CO2 at 10°C",
    ),
    (
        r"Learning in $\ell_1$ and $O(n \log n)$",
        r"Learning in $\ell_1$ and $O(n \log n)$",
        "Learning in ℓ1 and O(n log n)",
    ),
    (
        r"{\textless}i{\textgreater}Bryum{\textless}/i{\textgreater} on walls",
        "<i>Bryum</i> on walls",
        "Bryum on walls",
    ),
    (
        r"The \textsuperscript{18}O of {{Walls}} --- {\`a} la \emph{carte}",
        "The 18O of Walls - à la carte",
        "The <sup>18</sup>O of Walls — à la carte",
    ),
    (
        r"Moss \& {M}oss: from \$5 to \$10 in 100\% of caf{\'e}s",
        "Moss & Moss: from $5 to $10 in 100% of cafés",
        "Moss &amp; Moss: from $5 to $10 in 100% of cafés",
    ),
]


@pytest.mark.parametrize(("bibtex", "ris", "csv"), SAME)
def test_titles_agree_between_formats(bibtex: str, ris: str, csv: str) -> None:
    """The same title from BibTeX, RIS and CSV is the same paper."""
    libraries = (
        f"@misc{{a, title = {{{bibtex}}}}}",
        f"TY  - JOUR\nTI  - {ris}\nER  - \n",
        f'"Key","Item Type","Title"\n"AAAA0001","book","{csv}"\n',
    )
    ids = {entry.paper.paper_id for text in libraries for entry in read_library(text.encode()).papers}
    assert len(ids) == 1
