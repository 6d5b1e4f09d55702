import pytest

from service.domain.errors import InvalidFile
from service.domain.papers import Paper
from service.ingest.papers import SeenPapers, snippet, valid_paper, web_address


def test_only_web_addresses_are_links() -> None:
    """A script address never becomes a link."""
    assert web_address(" https://example.org/a ") == "https://example.org/a"
    assert web_address("javascript:alert(1)") == ""
    assert web_address("https://a b") == ""


def test_broken_rule_names_the_place() -> None:
    """The error of a broken rule names file, line and field."""
    with pytest.raises(InvalidFile, match=r"^f, line 3: entry 2: title: must not be empty$"):
        valid_paper(Paper("x:1", " "), "f", line=3, place="entry 2")


def test_a_long_author_is_cut() -> None:
    """A list of authors that was written as one name does not cost the whole file."""
    assert valid_paper(Paper("x:1", "T", authors=("A", "b" * 512)), "f").authors == ("A", "b" * 500)


def test_repeated_paper_names_both_places() -> None:
    """The error names both places of the paper."""
    lines, entries = SeenPapers("f"), SeenPapers("f")
    lines.add("x:1", 300)
    entries.add("x:1", "entry 1")

    with pytest.raises(InvalidFile, match=r"^f, line 400: paper x:1 is already at line 300$"):
        lines.add("x:1", 400)
    with pytest.raises(InvalidFile, match=r"^f: entry 2: paper x:1 is already at entry 1$"):
        entries.add("x:1", "entry 2")


def test_snippet_is_short() -> None:
    """An error message never contains a whole abstract."""
    assert len(snippet("x" * 1000)) < 70
