import datetime as dt
import gzip
from pathlib import Path

import pytest

from service.domain.errors import InvalidFile
from service.domain.papers import Paper
from service.ingest.jsonl import iter_papers
from service.ingest.problems import Problem
from tests.service.ingest.real_data import data_file
from tests.service.ingest.samples import JSONL


def test_papers_are_read_with_all_fields() -> None:
    """Every field of the format is read; blank lines and unknown fields are ignored."""
    papers = list(iter_papers(JSONL.replace(b'"upvotes"', b'"unknown": {}, "upvotes"')))

    assert papers == [
        Paper("arxiv:2403.00001", "First", "A.", ("Ada Byron",), ("cs.IR",)),
        Paper(
            "x:2",
            "Second",
            url="https://example.org/2",
            published_at=dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
            upvotes=3,
        ),
    ]


def test_gzip_reads_the_same() -> None:
    """A compressed file has the same papers as the plain file."""
    assert list(iter_papers(gzip.compress(JSONL))) == list(iter_papers(JSONL))


def test_papers_come_one_by_one() -> None:
    """Papers before an invalid line are returned before the error."""
    papers = iter_papers(JSONL + b"{}\n")

    assert [next(papers).paper_id, next(papers).paper_id] == ["arxiv:2403.00001", "x:2"]
    with pytest.raises(InvalidFile, match="line 4: paper_id: is missing"):
        next(papers)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[]", "must be an object, not an array"),
        ('{"paper_id": "x:1"}', "title: is missing"),
        ('{"paper_id": "x:1", "title": ""}', "title: must not be empty"),
        ('{"paper_id": "x 1", "title": "T"}', "paper_id: must contain only printable"),
        ('{"paper_id": "x:1", "title": "\\ud800"}', "title: contains characters that are not text"),
        ('{"paper_id": "x:1", "title": "T", "upvotes": -1}', "upvotes: must lie between"),
        ('{"paper_id": "x:1", "title": "T", "upvotes": "3"}', "upvotes: must be an integer"),
        ('{"paper_id": "x:1", "title": "T", "authors": "A"}', "authors: must be an array"),
        ('{"paper_id": "x:1", "title": "T", "published_at": 2024}', "published_at: must be a string"),
    ],
)
def test_faults_name_line_and_field(line: str, problem: str) -> None:
    """The error names the line and the field."""
    with pytest.raises(InvalidFile, match=f"^input, line 2: {problem}"):
        list(iter_papers(f"\n{line}\n".encode()))


def test_repeated_id_names_both_lines() -> None:
    """A file with a repeated paper is refused."""
    line = b'{"paper_id": "x:1", "title": "T"}\n'
    with pytest.raises(InvalidFile, match="line 3: paper x:1 is already at line 1"):
        list(iter_papers(line + b"\n" + line))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "count"), [("arxiv-2016-2018", 14_711), ("arxiv-2025", 36_000), ("citeulike-a", 16_980)]
)
def test_real_files_are_read(folder: str, count: int) -> None:
    """The shared data sets are valid."""
    path: Path = data_file(folder, "papers.jsonl.gz")
    assert sum(1 for _ in iter_papers(path)) == count


def test_invalid_lines_are_left_out_on_request() -> None:
    """With a function for problems, invalid and repeated lines are passed to it and left out."""
    problems: list[Problem] = []
    lines = JSONL + b'{}\nnot JSON\n{"paper_id": "x:2", "title": "Again"}\n{"paper_id": "x:3", "title": "Third"}\n'
    papers = list(iter_papers(lines, on_problem=problems.append))

    assert [paper.paper_id for paper in papers] == ["arxiv:2403.00001", "x:2", "x:3"]
    assert [problem.line for problem in problems] == [4, 5, 6]
    assert problems[0].reason == "paper_id: is missing"
    assert problems[2].reason == "paper x:2 is already at line 3"


def test_cut_off_file_is_refused() -> None:
    """A file whose last line is not whole is refused, even if invalid lines are left out."""
    with pytest.raises(InvalidFile, match="line 3: the last line is not whole"):
        list(iter_papers(JSONL[:-5], on_problem=lambda _: None))
