import datetime as dt
import logging
import sys
from types import FrameType

import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.bibtex import parse_bibtex
from service.ingest.libraries.entry import RawEntry
from tests.service.ingest.samples import BIBTEX


def _only(text: str) -> RawEntry:
    [entry] = parse_bibtex(text, "f")
    return entry


def test_entries_are_read() -> None:
    """LaTeX is decoded, names are split, ids stay as written, and the user's keywords are ignored."""
    first, second = parse_bibtex(BIBTEX.decode(), "f")

    assert (first.place, first.line) == ("entry muller2017", 4)
    assert first.title == "The DNA of Müller's Lists: 5% Better"
    assert first.authors == ("Jörg Müller", "Barnes, Noble and Sons", "Ada Byron Jr")
    assert first.abstract == "A café, O(n^2) and AT&T."
    assert first.doi == "10.1000/ABC_def"
    assert first.added_at == dt.datetime(2019, 3, 2, 10, 24, 44, tzinfo=dt.UTC)
    assert (second.eprint, second.categories) == ("1706.03762v5", ("cs.CL",))


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"Caf{\'{e}} na{\"\i}ve {\o} {\ss} \v{c}", "Café naïve ø ß č"),
        (r"A \LaTeX{} Primer \& More", "A LaTeX Primer & More"),
        (r"\emph{In vivo} -- $\alpha$~cells", "In vivo – α\xa0cells"),
        (r"\input{/etc/passwd}Nothing", "Nothing"),
        ("50% of C# & more", "50% of C# & more"),
        (r"A {Costs \$5}", "A Costs $5"),
    ],
)
def test_latex_becomes_text(latex: str, text: str) -> None:
    """Accents, macros, mathematics and bare special characters are decoded; no file is opened."""
    assert _only(f"@misc{{k, title = {{{latex}}}}}").title == text


@pytest.mark.parametrize("depth", [25, 40, 3000])
def test_braces_in_braces(depth: int) -> None:
    """A title with too deep nesting loses only its braces."""
    assert _only("@misc{k, title = " + "{" * depth + "T" + "}" * depth + "}").title == "T"


def test_nesting_ends_before_the_stack_does() -> None:
    """Deep nesting does not use up Python's stack."""
    around = {r"\emph{": "}", r"\begin{a}": r"\end{a}", r"\sqrt[": "]{x}", "${": "}$"}
    nested = [opening * 2000 + "T" + closing * 2000 for opening, closing in around.items()]
    deepest = 0

    def watch(frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal deepest
        depth, caller = 0, frame.f_back
        while caller is not None and depth < 2000:
            depth, caller = depth + 1, caller.f_back
        deepest = max(deepest, depth)

    sys.setprofile(watch)
    try:
        titles = [_only(f"@misc{{k, title = {{{title}}}}}").title for title in nested]
    finally:
        sys.setprofile(None)

    assert all("T" in title for title in titles)
    assert deepest < sys.getrecursionlimit() // 2


def test_doubled_keys_and_fields_are_no_fault() -> None:
    """Both entries with the same key count; of a repeated field the first value counts."""
    entries = list(parse_bibtex("@misc{k, title={A}, title={B}}\n@misc{k, title={C}}\n@misc{k, title={D}}", "f"))
    assert [entry.title for entry in entries] == ["A", "C", "D"]


@pytest.mark.parametrize(
    ("field", "url"),
    [
        (r"howpublished = {\url{https://example.org/a_b}}", "https://example.org/a_b"),
        (r"url = {https://example.org/a\_b}", "https://example.org/a_b"),
        (r"note = {in print}", ""),
    ],
)
def test_addresses_are_found(field: str, url: str) -> None:
    """An address is taken from the fields that tools use for it, without LaTeX around it."""
    assert _only(f"@misc{{k, title={{T}}, {field}}}").url == url


def test_eprint_of_another_archive_is_no_arxiv_id() -> None:
    """A number of another archive is no arXiv id, even if it looks like one."""
    assert _only("@misc{k, title={T}, eprint={1706.03762}, archivePrefix={HAL}}").eprint == ""


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("@misc{a, title={A}}\n\n@misc{b, title={B\n", 3, "the BibTeX entry that begins here is invalid"),
        ("@misc{a, title={A\n@misc{b, title={B}}", 1, "unexpected block start"),
        ("@misc{a,\n title}", 1, "expected a '=' after entry key"),
    ],
)
def test_broken_entries_name_the_line(text: str, line: int, problem: str, caplog: pytest.LogCaptureFixture) -> None:
    """An invalid entry is an error, and its text is not logged."""
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidFile, match=problem) as caught:
        list(parse_bibtex(text, "f"))
    assert caught.value.line == line
    assert not caplog.records
