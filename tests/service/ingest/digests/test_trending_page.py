import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.domain.identifiers import derived_paper_id
from service.ingest.digests.trending_page import parse_trending_page
from service.ingest.source import read_text
from tests.service.ingest.real_data import data_file
from tests.service.ingest.samples import ABSTRACT, DAY, PAGE

TEXT = PAGE.decode()


def test_titles_and_abstracts_are_paired() -> None:
    """The header is ignored, and every title gets the abstract below it."""
    papers = parse_trending_page(TEXT, "f", date=DAY)

    assert [paper.title[:15] for paper in papers] == ["Learning to Ran", "A Second Paper "]
    assert papers[0].abstract == ABSTRACT.strip()
    assert papers[1].abstract == ABSTRACT + "More."
    assert papers[0].paper_id == derived_paper_id("Learning to Rank Papers")


@pytest.mark.data
def test_real_page_has_77_papers() -> None:
    """A real page, copied from a browser, is read completely."""
    text = read_text(data_file("digests", "hf-trending-mar-11.txt"))
    papers = parse_trending_page(text, "f", date=dt.date(2025, 3, 11))

    assert len(papers) == 77
    assert papers[0].title.startswith("Foundation Models for Natural Language Processing -- ")
    assert papers[-1].title.startswith("MOAT: ")
    assert min(len(paper.abstract) for paper in papers) > 1000


def test_white_space_does_not_matter() -> None:
    """Repeated blank lines, spaces at line ends and wrapped abstracts change nothing."""
    loose = TEXT.replace("\n\n", "  \n \n\t\n").replace("We study how", "We study\nhow")
    assert parse_trending_page(loose, "f", date=DAY) == parse_trending_page(TEXT, "f", date=DAY)


@pytest.mark.parametrize("header", ["", "new\n\nSubscribe\n\nbyAK and the research community\n\n"])
def test_header_may_lack_the_day(header: str) -> None:
    """Without a day in the header, or without a header, the given date is used."""
    text = header + TEXT.split("Mar 11\n\n")[1]
    assert parse_trending_page(text, "f", date=dt.date(2024, 7, 1)) == parse_trending_page(TEXT, "f", date=DAY)


@pytest.mark.parametrize("day", ["Mar 12", "Feb 30", "March 11, 2023", "Apr 11"])
def test_other_day_in_the_header_is_refused(day: str) -> None:
    """A date that contradicts the header is an error that names both."""
    with pytest.raises(InvalidFile, match=f"the page is of {day}, but the given date is 2024-03-11") as caught:
        parse_trending_page(TEXT.replace("Mar 11", day), "f", date=DAY)
    assert caught.value.line == 9


@pytest.mark.parametrize("day", ["March 11", "mar 11, 2024", "Mar. 11"])
def test_day_may_be_spelled_out(day: str) -> None:
    """Long month names and a year are parsed."""
    assert len(parse_trending_page(TEXT.replace("Mar 11", day), "f", date=DAY)) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("Learning to Rank Papers\n\n", "", 11, "a title was expected here, but .* has 495 characters"),
        ("Learning to Rank Papers", "12\n\nLearning to Rank Papers", 13, "the abstract of '12' was expected here"),
        ("Learning to Rank Papers", "12\nLearning to Rank Papers", 11, "has 2 lines"),
        ("A Second Paper", f"{ABSTRACT}{ABSTRACT}\n\nA Second Paper", 15, "a title was expected here"),
        ("A Second Paper", "Mar 10\n\nA Second Paper", 15, "is a date; a page has only one"),
        ("More.\n", "More.\n\nAn Orphan\n", 19, "no abstract follows the title 'An Orphan'"),
        ("A Second", f"Learning to rank papers\n\n{ABSTRACT}\n\nA Second", 15, "is already at line 11"),
    ],
)
def test_paragraphs_that_do_not_pair_up_are_refused(old: str, new: str, line: int, problem: str) -> None:
    """An extra or missing paragraph is an error, so that titles never get wrong abstracts."""
    text = TEXT.replace(old, new, 1)
    with pytest.raises(InvalidFile, match=problem) as caught:
        parse_trending_page(text, "f", date=DAY)
    assert caught.value.line == line
