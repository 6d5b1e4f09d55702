import datetime as dt
import json

import pytest

from service.domain.errors import InvalidFile
from service.domain.papers import Paper
from service.ingest.digests.hf_daily import parse_hf_daily
from tests.service.ingest.samples import HF_DAILY


def test_papers_and_day_are_read() -> None:
    """Ids lose their version and texts their line breaks; the date is the newest day of a listing."""
    papers, day, skipped = parse_hf_daily(HF_DAILY.decode(), "f")

    assert papers[0] == Paper(
        "arxiv:2403.00001",
        "Learning to Rank Papers",
        "We rank. Then we rest.",
        ("Ada Byron", "Émile Zola"),
        url="https://huggingface.co/papers/2403.00001",
        published_at=dt.datetime(2024, 3, 8, 10, tzinfo=dt.UTC),
        upvotes=12,
    )
    assert (papers[1].paper_id, papers[1].upvotes) == ("arxiv:2403.00002", None)
    assert (day, skipped) == (dt.date(2024, 3, 11), ())


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (1, "[1]: must be an object"),
        ({}, "[1]: paper: is missing"),
        ({"paper": {"title": "T"}}, "[1]: paper.id: is missing"),
        ({"paper": {"id": "x", "title": "T"}}, "[1]: paper.id: 'x' is not an arXiv id"),
        ({"paper": {"id": "2403.00001", "title": ""}}, "[1]: paper: title: must not be empty"),
        ({"paper": {"id": "2403.00001", "title": "T", "authors": ["A"]}}, "[1]: paper.authors[0]: must be an object"),
        ({"paper": {"id": "2403.00001", "title": "T", "upvotes": 10**30}}, "[1]: paper: upvotes: must lie between"),
        ({"paper": {"id": "2403.00007v1", "title": "T"}}, "[1]: repeats the paper of [0]"),
    ],
)
def test_bad_entries_are_left_out_and_named(entry: object, problem: str) -> None:
    """An entry that cannot be used costs no other one."""
    good = [{"paper": {"id": f"2403.0000{number}", "title": "Good"}} for number in (7, 8)]
    papers, _, skipped = parse_hf_daily(json.dumps([good[0], entry, good[1]]), "f")

    assert [paper.paper_id for paper in papers] == ["arxiv:2403.00007", "arxiv:2403.00008"]
    assert len(skipped) == 1
    assert str(skipped[0]).startswith(problem)


def test_what_is_no_list_is_refused() -> None:
    """A JSON document that is no list is an error."""
    with pytest.raises(InvalidFile, match="must be a list"):
        parse_hf_daily('{"error": "busy"}', "f")
