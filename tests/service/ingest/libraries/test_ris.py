import pytest

from service.domain.errors import InvalidFile
from service.ingest.libraries.ris import parse_ris
from tests.service.ingest.samples import RIS


def test_records_are_read() -> None:
    """Wrapped texts, both tags for titles and all names are read."""
    first, second = parse_ris(RIS.decode(), "f")

    assert (first.line, first.title, first.doi, first.published) == (1, "Learning to Rank", "10.1000/xyz", "2017/05/03")
    assert (first.authors, first.abstract) == (("Ada Byron", "Emile Zola"), "We rank and rank.")
    assert (second.line, second.title) == (12, "Attention Is All You Need")
    assert second.url == "http://arxiv.org/abs/1706.03762"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("TY  - JOUR\nTI  - A\nER  - \nTY  - JOUR\nTI  - B\n", 4, "has no end"),
        ("TY  - JOUR\nTI  - A\n\nTY  - JOUR\nER  - \n", 4, "begins before the record of line 1 ends"),
        ("TY  - JOUR\nER  - \nER  - \n", 3, "ends here, but none has begun"),
    ],
)
def test_records_without_border_are_refused(text: str, line: int, problem: str) -> None:
    """A record without its end is an error."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        list(parse_ris(text, "f"))
    assert caught.value.line == line
