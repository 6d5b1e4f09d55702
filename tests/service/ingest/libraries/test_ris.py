import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.entry import RawEntry
from service.ingest.libraries.ris import parse_ris, ris_start
from tests.service.ingest.samples import RIS


def _all(text: str) -> list[RawEntry]:
    return [entry for entry in parse_ris(text, "f") if isinstance(entry, RawEntry)]


def test_records_are_read() -> None:
    """Wrapped texts, both tags for titles and all names are read."""
    first, second = _all(RIS.decode())

    assert (first.line, first.title, first.doi) == (1, "Learning to Rank", "10.1000/xyz")
    assert first.published == ("2017/05/03",)
    assert (first.authors, first.abstract) == (("Ada Byron", "Emile Zola"), "We rank\n  and rank.")
    assert (second.line, second.title) == (12, "Attention Is All You Need")
    assert second.url == "http://arxiv.org/abs/1706.03762"


@pytest.mark.parametrize(
    "text",
    [
        "TY  - JOUR\nTI  - A\nER  - \nTY  - JOUR\nTI  - B\n",
        "TY  - JOUR\nTI  - A\n\nTY  - JOUR\nTI  - B\nER  - \n",
        "TY  - JOUR\nTI  - A\nTY  - JOUR\nTI  - B",
        "TY  - JOUR\nTI  - A\nER  - \nER  - \nTY  - JOUR\nTI  - B\nER  -",
        "TY - JOUR\nTI - A\nER - \nTY - JOUR\nTI - B\nER -\n",
        "Scopus\nEXPORT DATE: 13 July 2030\n\nTI  - A\nAU  - Noll, I.\nER  - \n\nTI  - B\nER  - \n",
        "TY  -JOUR\nTI  -A\nER  -\nTY  -JOUR\nTI  -B\nER  -\n",
        "TY  - JOUR\nTI  - A\nER - \nTY - JOUR\nTI  - B\nER  - \n",
    ],
)
def test_borders_of_records(text: str) -> None:
    """A record ends at its end tag, where the next one begins, or at the end of the file; it may have no type."""
    assert ris_start(text) is not None
    assert [entry.title for entry in _all(text)] == ["A", "B"]


def test_lines_that_only_look_like_tags() -> None:
    """Where tags have two spaces, a line with one space continues the value before it."""
    [entry] = _all("TY  - JOUR\nTI  - A\nAB  - Of\nIL - 6 and\n  IL  - 8\nER  - \n")
    assert entry.abstract == "Of\nIL - 6 and\n  IL  - 8"


def test_title_of_a_book() -> None:
    """A book's title may stand where others have the title of their book."""
    assert [entry.title for entry in _all("TY  - BOOK\nBT  - A\nER  - \nTY  - CHAP\nBT  - B\nER  - \n")] == ["A", ""]


def test_cut_off_file() -> None:
    """A file that ends within a line of a record without an end is an error, if other records have ends."""
    with pytest.raises(InvalidFile, match="the file ends inside the RIS record") as caught:
        _all("TY  - JOUR\nTI  - A\nER  - \nTY  - JOUR\nTI  - B")
    assert caught.value.line == 4


@pytest.mark.parametrize(
    "part", ["TY  - \n", "TI  - A\n", "ER  - \n", "A\n", " ", "TY  - ", "UR  - ;;;\n", "AU  - A; B\n"]
)
def test_time_is_linear(part: str) -> None:
    """No file makes the reader search its text again and again."""
    assert isinstance(_all("TY  - JOUR\nTI  - A\n" + part * (300_000 // len(part)) + "\nER  - \n"), list)
