import datetime as dt
import logging

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.bibtex import parse_bibtex
from service.ingest.libraries.entry import RawEntry
from service.ingest.problems import Problem
from tests.service.ingest.samples import BIBTEX


def _all(text: str) -> list[RawEntry]:
    entries = list(parse_bibtex(text, "f"))
    return [entry for entry in entries if isinstance(entry, RawEntry)]


def _only(text: str) -> RawEntry:
    [entry] = _all(text)
    return entry


def test_entries_are_read() -> None:
    """LaTeX is decoded, names are split, ids stay as written, and the user's keywords are ignored."""
    first, second = _all(BIBTEX.decode())

    assert (first.key, first.line) == ("muller2017", 4)
    assert first.title == "The DNA of Müller's Lists: 5% Better"
    assert first.authors == ("Jörg Müller", "Barnes, Noble and Sons", "Ada Byron Jr")
    assert first.abstract == "A café, O(n2) and AT&T."
    assert first.doi == "10.1000/ABC_def"
    assert first.added_at == dt.datetime(2019, 3, 2, 10, 24, 44, tzinfo=dt.UTC)
    assert (second.eprint, second.categories) == ("1706.03762v5", ("cs.CL",))
    assert not first.problems


def test_strings_are_joined() -> None:
    """Strings are put together with ``#``, whatever their case; an unknown one stands for itself."""
    entry = _only(
        '@string{ida = "Noll, Ida"}\n@STRING(wall = {northern } # "wall")\n@string{both = IDA # " and Orr, Ben"}\n'
        '@article{s1, title = "Clocks of the " # wall # { } # 2 # unknown, author = both, month = jan # "~5"}'
    )
    assert (entry.title, entry.authors) == ("Clocks of the northern wall 2unknown", ("Ida Noll", "Ben Orr"))


def test_doubled_keys_and_fields_are_no_fault() -> None:
    """Both entries with the same key count; of a repeated field the first value counts."""
    entries = _all("@misc{k, title={A}, title={B}}\n@misc{k, title={C}}\n@misc{k, title={D}}")
    assert [entry.title for entry in entries] == ["A", "C", "D"]
    assert not any(entry.problems for entry in entries)


def test_crossref_and_xdata() -> None:
    """A chapter takes authors and date of its book, and nothing that identifies it; other data is taken whole."""
    chapter, short, filled, book, loop = _all(
        "@inbook{c, title = {A chapter}, crossref = {Book}}\n@article{s, crossref = {c}}\n"
        "@misc{f, xdata = {one, two}}\n@xdata{one, title = {From the data}}\n"
        "@xdata{two, doi = {10.9999/d}, xdata = {one}}\n"
        "@book{book, title = {The book}, author = {Noll, Ida}, date = {2030-01-02}, doi = {10.9999/book}}\n"
        "@misc{l, title = {In a circle}, crossref = {l}}\n"
    )
    assert (chapter.title, chapter.authors, chapter.doi) == ("A chapter", ("Ida Noll",), "")
    assert chapter.published == ("2030-01-02",)
    assert (short.title, short.authors) == ("A chapter", ("Ida Noll",))
    assert (filled.title, filled.doi) == ("From the data", "10.9999/d")
    assert (book.doi, loop.title) == ("10.9999/book", "In a circle")


def test_blocks_that_are_no_papers() -> None:
    """Sets, data for other entries, settings, comments and prose are no papers, and nothing is said of them."""
    text = """% Encoding: UTF-8
@comment{jabref-meta: databaseType:biblatex; { }}
@Comment{@article{x, title = {Left out}}}
%@article{y, title = {Left out}}
@comment @article{y,
@comment   title = {Left out}}
@preamble{"\\newcommand{\\noopsort}[1]{}"}
@control{REVTEX41Control, author="08", title="0"}
@IEEEtranBSTCTL{IEEE:ctl, CTLuse_url = "no"}
@bibdesk_info{document_info, n = {1}}
@set{z, entryset = {a, b}}
Write to me@home.example (or not); @media (min-width: 1px) { a { b: c } }
@misc{last, title = {The only paper}}
"""
    [entry] = parse_bibtex(text, "f")
    assert isinstance(entry, RawEntry)
    assert (entry.title, entry.line) == ("The only paper", 13)


@pytest.mark.parametrize(
    ("field", "url"),
    [
        (r"howpublished = {\url{https://example.org/a_b}}", "https://example.org/a_b"),
        (r"url = {https://example.org/a\_b}", "https://example.org/a_b"),
        (r"url = {https://example.org/{\~{}}a{\_}b?c=1{\&}d={\%}20\&e}", "https://example.org/~a_b?c=1&d=%20&e"),
        (r"url = {https://example.org/\~{}a{\textasciitilde}b}", "https://example.org/~a~b"),
        (r"note = {in print}", ""),
    ],
)
def test_addresses_are_found(field: str, url: str) -> None:
    """An address is taken from the fields that tools use for it, without LaTeX around it."""
    assert _only(f"@misc{{k, title={{T}}, {field}}}").url == url


@pytest.mark.parametrize(
    ("fields", "eprint"),
    [
        ("eprint={1706.03762}, archivePrefix={HAL}", ""),
        ("eprint={1706.03762}, eprinttype={arXiv}", "1706.03762"),
        ("arxivId={1706.03762}", "1706.03762"),
    ],
)
def test_eprint(fields: str, eprint: str) -> None:
    """A number of another archive is no arXiv id, even if it looks like one."""
    assert _only(f"@misc{{k, title={{T}}, {fields}}}").eprint == eprint


@pytest.mark.parametrize(("note", "cited"), [("arXiv:1706.03762 [cs]", True), ("Extends arXiv:1706.03762", False)])
def test_note(note: str, cited: bool) -> None:
    """A note names the paper's own arXiv id only if it begins with it."""
    assert any(_only(f"@misc{{k, title={{T}}, note = {{{note}}}}}").notes) is cited


def test_subtitle() -> None:
    """A subtitle is a part of the title, as in the other formats."""
    assert _only("@book{k, title = {Moss}, subtitle = {A {History}}}").title == "Moss: A History"


@pytest.mark.parametrize(
    ("entry", "title", "problem"),
    [
        ("@misc{d, note = {A}\n  title = {B}, year = 1}", "B", "a comma is missing before title (line 2)"),
        ("@misc{Poe-2028\n title = {B}}", "B", "a comma is missing before title (line 2)"),
        ("@misc{Poe 2028 title = {B}}", "B", "a comma is missing before title (line 1)"),
        ("@misc{\n  title = {B}\n}", "B", "it has no key"),
        ("@misc{k, author = {A}b, C.}, title = {B}}", "B", "the value of author ends too early (line 1)"),
        ('@misc{k,\n note = "up to 15{{\\%}.",\n title = "B"\n}\n', "B", "the value of note has no end (line 2)"),
        ("@misc{k,\n title = {A}} B},\n year = 1\n}", "A B", "it ends too early, with a brace too many (line 2)"),
        ('@misc{k, title = "A "B" C", year = 1}', 'A "B" C', "the value of title ends too early (line 1)"),
        ("@misc{k, title = {B}, year = {1}\n\n@misc{x, note = {}}", "B", "its closing brace is missing"),
        ("@misc{k,\n title = {A {B},\n year = {1}\n}\n@misc{x, note = {}}", "A B", "its closing brace is missing"),
    ],
)  # fmt: skip
def test_repairs_are_named(entry: str, title: str, problem: str) -> None:
    """An entry with a fault that leaves no doubt is read, and the fault is named."""
    first = _all(entry)[0]
    assert first.title == title
    assert first.problems == (problem,)


@pytest.mark.parametrize(
    "entry",
    [
        '@Article ( key(1) , TITLE = "A (real) title" , year = 2030 )',
        "@article{O'Neil & Co (2010), title = {A (real) title}}",
        "@article{{Key}, title = {{A (real) title}},, ; }",
        "@misc{http://x.example/?a=b, title = A (real) title,}",
        "@misc\n{ k,\n % remark = {}\n title = {A (real) title}, % another\n}",
        "@misc{k, file = {C\\:\\\\moss\\\\}, title = {A (real) title}}",
        "@misc{k, abstract = {Sets \\{1, 2\\} and \\{3}, title = {A (real) title}}",
        "@misc{k, abstract = {Write to\n@home {now} @ noon, or @b{c}}, title = {A (real) title}}",
        "<pre>@misc{k, title = {A (real) title}}</pre>",
        '@misc{k, title = "A (real) title"}@misc{l, title = {A (real) title}}',
    ],
)  # fmt: skip
def test_forms_without_a_fault(entry: str) -> None:
    """Forms that some tool writes are read without a word."""
    entries = _all(entry)
    assert {entry.title for entry in entries} == {"A (real) title"}
    assert not any(entry.problems for entry in entries)


def test_unreadable_entries_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """An entry without any field that can be read is named with line, key and reason, and nothing is logged."""
    text = '@misc{a, title={A}}\n\n@misc{b, title {B}}\n@misc{c, title={C}}\n@string{s = "open\n@misc{d, title={D}}'
    with caplog.at_level(logging.DEBUG):
        first, second, third, fourth = parse_bibtex(text, "f")

    assert isinstance(second, Problem)
    assert (second.line, second.key, second.reason) == (3, "b", "'title {B}}' is no field (line 3)")
    assert [each.title for each in (first, third, fourth) if isinstance(each, RawEntry)] == ["A", "C", "D"]
    assert isinstance(fourth, RawEntry)
    assert fourth.problems == ("the @string before it: the value of s has no end (line 5)",)
    assert not caplog.records


def test_cut_off_file() -> None:
    """A file that ends inside an entry is an error with the entry's line."""
    with pytest.raises(InvalidFile, match="the file ends inside the BibTeX entry b that begins here") as caught:
        list(parse_bibtex("@misc{a, title={A}}\n\n@misc{b, title={B\n", "f"))
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "part",
    [
        *("@a{b,", "@a{b, c = {", "@comment{", "@misc{k, a = {} }", "@misc{k, a = b c ", "{", '"', "@", "a=", "%\n"),
        *("\n@a{b=", "}", " ", ",a=", "#", "\n@misc{k,\na = {b}}} c, d = {}"),
    ],
)
def test_time_is_linear(part: str) -> None:
    """No file makes the reader search its text again and again."""
    try:
        list(parse_bibtex("@misc{k, title = {A}}\n" + part * (50_000 // len(part)), "f"))
    except InvalidFile as error:
        assert "the file ends inside" in error.problem  # noqa: PT017 - either outcome is right
