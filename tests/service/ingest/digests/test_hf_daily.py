import datetime as dt
import json

import pytest

from service.domain.errors import InvalidFile
from service.domain.papers import Paper
from service.ingest.digests.hf_daily import parse_hf_daily
from tests.service.ingest.samples import HF_DAILY


def test_papers_and_day_are_read() -> None:
    """Ids lose their version and texts their line breaks; the date is the newest day of a listing."""
    papers, day = parse_hf_daily(HF_DAILY.decode(), "f")

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
    assert day == dt.date(2024, 3, 11)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "must be a list"),
        ([1], r"\[0\]: must be an object"),
        ([{}], r"\[0\].paper: is missing"),
        ([{"paper": {"title": "T"}}], r"\[0\].paper.id: is missing"),
        ([{"paper": {"id": "x", "title": "T"}}], r"\[0\].paper.id: 'x' is not an arXiv id"),
        ([{"paper": {"id": "2403.00001", "title": ""}}], r"\[0\].paper: title: must not be empty"),
        ([{"paper": {"id": "2403.00001", "title": "T", "authors": ["A"]}}], r"authors\[0\]: must be an object"),
        ([{"paper": {"id": "2403.00001", "title": "T", "upvotes": 10**30}}], "upvotes: must lie between"),
        ([{"paper": {"id": "2403.00001v1", "title": "T"}}] * 2, r"\[1\]: paper arxiv:2403.00001 is already at \[0\]"),
    ],
)
def test_faults_name_the_entry(value: object, problem: str) -> None:
    """The error names the entry and the field."""
    with pytest.raises(InvalidFile, match=problem):
        parse_hf_daily(json.dumps(value), "f")
